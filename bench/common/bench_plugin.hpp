// SPDX-License-Identifier: Apache-2.0
// A ContainerFactory plugin opened for a benchmark, whatever its name; its calls are awaited from
// any thread by futures. Everything throws std::runtime_error.
#pragma once

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/config.hpp"
#include "base/metrics.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_directory.hpp"
#include "plugin/plugin_instance.hpp"
#include "worker.hpp"

namespace berth::bench {

class BenchPlugin {
 public:
  // Settings are the [plugin.NAME] table of `config` with the members of `more` over it. `work` is
  // a directory of this one's own.
  BenchPlugin(const std::string& name, const config::Document& config,
              const boost::json::object& more, const plugin::PluginDirectory& directory,
              const std::filesystem::path& work);
  // Stops with KILL.
  ~BenchPlugin();

  // A container of 256 MB.
  plugin::ContainerInfo create(const std::string& image);
  void destroy(const std::string& id) { await(factory().destroy(id, deadline())); }
  // From asking for a container to its first HTTP byte, in microseconds.
  double start_us(const std::string& image);

  plugin::ContainerFactory& factory() { return *instance_->container_factory(); }
  static SteadyTime deadline();

  template <typename T>
  T await(plugin::Awaitable<T> awaitable) {
    Result<T> result =
        boost::asio::co_spawn(worker_.io(), std::move(awaitable), boost::asio::use_future).get();
    if (!result) throw std::runtime_error(result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

 private:
  std::atomic<int> count_{0};
  Metrics metrics_;
  plugin::MemoryPluginState state_;
  daemon::Worker worker_{"bench"};
  std::unique_ptr<plugin::LoadedPlugin> loaded_;
  std::unique_ptr<plugin::PluginInstance> instance_;
};

}  // namespace berth::bench
