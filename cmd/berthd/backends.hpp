// SPDX-License-Identifier: Apache-2.0
// The operator's choice of plugins, from config words to opened instances.
//
// Threads: everything here, destruction included, on the loader thread; what the accessors return
// is thread-safe.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/log_store_set.hpp"
#include "plugin/plugin_directory.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::daemon {

// A plugin's settings as it will get them: the [plugin.NAME] table with secrets given as {file =
// ...} or {env = ...} read in.
struct PluginSettings {
  std::string json;
  std::vector<std::string> secrets;  // dotted keys, "plugin.NAME.key"
};

// Checks the settings of every [plugin.NAME] that is among `names` against its schema, and that no
// other such table is there (a plugin in the directory that is not chosen may have one). All errors
// in one.
class PluginChoice {
 public:
  static Result<PluginChoice> make(const config::Document& config,
                                   const std::filesystem::path& directory);

  const std::string& factory() const { return factory_; }
  const std::vector<std::string>& log_stores() const { return log_stores_; }
  const plugin::PluginDirectory& directory() const { return directory_; }
  const PluginSettings& settings(const std::string& name) const;
  // Dotted keys of all secrets, for the output of --check.
  std::vector<std::string> secrets() const;

 private:
  explicit PluginChoice(plugin::PluginDirectory directory) : directory_(std::move(directory)) {}

  plugin::PluginDirectory directory_;
  std::string factory_;
  std::vector<std::string> log_stores_;
  std::vector<std::pair<std::string, PluginSettings>> settings_;
};

class Backends {
 public:
  struct Options {
    const config::Document& config;
    const Clock& clock;
    Metrics& metrics;
    store::PluginStateStore* state;
    std::filesystem::path data_root;
    std::filesystem::path runtime_root;
    boost::asio::any_io_executor loader;
  };

  // Loads and opens what was chosen.
  static Result<std::unique_ptr<Backends>> open(const PluginChoice& choice, const Options& options);
  // Closes and unmaps. The factory and the store must have been stopped.
  ~Backends();

  plugin::ContainerFactory& factory() { return *factory_; }
  plugin::LogStore& logs() { return *logs_; }
  // Of the loaded ones: [{"name","version","path","provides"...}].
  boost::json::array describe() const;

 private:
  Backends() = default;
  Status open_one(const std::string& name, const PluginChoice& choice, const Options& options);

  // Instances are closed before what they run in is unmapped.
  std::vector<std::unique_ptr<plugin::LoadedPlugin>> loaded_;
  std::vector<std::unique_ptr<plugin::PluginInstance>> instances_;
  plugin::ContainerFactory* factory_ = nullptr;
  std::unique_ptr<plugin::LogStoreSet> set_;
  plugin::LogStore* logs_ = nullptr;
};

}  // namespace berth::daemon
