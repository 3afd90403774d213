// SPDX-License-Identifier: Apache-2.0
// `PluginInstance`: one opened plugin: its `open`, its interfaces behind awaitables, its `close`.
//
//   auto instance = PluginInstance::open(loaded, options);
//   ContainerFactory* factory = (*instance)->container_factory();
//   co_await factory->start(on_died, deadline);
//   ...
//   co_await factory->stop(StopMode::kDetach, deadline);
//   instance->reset();                       // close; afterwards the LoadedPlugin may be unmapped
//
// The order at the end is stop, close, unmap. Closing refuses new calls, waits for those that are
// inside the plugin, calls its `close`, and fails what it left unanswered; after that nothing of
// the plugin is called and every awaitable of it has its result.
//
// Threads: open and close on one thread, the loader thread. The interfaces are thread-safe and
// valid as long as the instance. Executors that await one of its calls must live until it is
// closed.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "berth/plugin/abi.h"
#include "plugin/container_factory.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/log_store.hpp"
#include "plugin/manifest.hpp"
#include "store/plugin_state.hpp"

namespace berth::plugin {

class PluginInstance {
 public:
  struct Options {
    const Clock& clock;  // outlives the instance, as do the next two
    Metrics& metrics;
    store::PluginStateStore* state = nullptr;  // null: no berth.state/1
    std::string instance;                      // name of this berthd, [a-z0-9-]{1,32}
    std::string config_json = "{}";            // already checked against the plugin's schema
    // The plugin gets <root>/<name> of each, made with mode 0700.
    std::filesystem::path data_root;
    std::filesystem::path runtime_root;
    // Where `start` and `stop` are called: the loader thread's executor. Empty: on the thread of
    // the coroutine that awaits them.
    boost::asio::any_io_executor loader;
  };

  // Opens the plugin. FAILED_PRECONDITION if it needs a service this host has not, or does not
  // provide what its note says; else the plugin's own code and reason. `plugin` outlives the
  // instance. [loader-thread]
  static Result<std::unique_ptr<PluginInstance>> open(const LoadedPlugin& plugin, Options options);
  // The same for a plugin that is not in a file of its own.
  static Result<std::unique_ptr<PluginInstance>> open(const Manifest& manifest,
                                                      const berth_plugin_entry_v1& entry,
                                                      Options options);

  // Closes. [loader-thread]
  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  const Manifest& manifest() const;
  // Null if the plugin does not provide it.
  ContainerFactory* container_factory();
  LogStore* log_store();

 private:
  struct Impl;
  explicit PluginInstance(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl> impl_;
};

}  // namespace berth::plugin
