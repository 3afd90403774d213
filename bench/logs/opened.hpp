// SPDX-License-Identifier: Apache-2.0
// A LogStore plugin opened for a benchmark from its file. Not thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <stdlib.h>
#include <string>

#include "base/metrics.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::bench {

inline SteadyTime later() {
  return std::chrono::steady_clock::now() + std::chrono::minutes(10);
}

inline void must(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().to_string());
}

// With the directory `root`, which stays.
class Opened {
 public:
  Opened(const std::string& file, const std::string& config, const std::filesystem::path& root) {
    std::filesystem::create_directories(root);
    // A plugin that others may write is refused, as a build directory may allow.
    const auto copy = root / std::filesystem::path(file).filename();
    std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(copy, std::filesystem::perms(0644));
    auto loaded = plugin::LoadedPlugin::load(plugin::examine(copy));
    if (!loaded) throw std::runtime_error(loaded.error().to_string());
    loaded_ = std::move(*loaded);
    auto instance = plugin::PluginInstance::open(*loaded_, {.clock = system_clock(),
                                                            .metrics = metrics_,
                                                            .state = nullptr,
                                                            .instance = "bench",
                                                            .config_json = config,
                                                            .data_root = root / "data",
                                                            .runtime_root = root / "run",
                                                            .loader = {}});
    if (!instance) throw std::runtime_error(instance.error().to_string());
    instance_ = std::move(*instance);
  }
  ~Opened() {
    instance_.reset();
    loaded_.reset();
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  plugin::LogStore& store() { return *instance_->log_store(); }
  // Of berth_plugin_…; throws if there is none.
  double metric(const std::string& name) const {
    const std::string text = metrics_.text();
    const std::size_t at = text.find("\n" + name + " ");
    if (at == std::string::npos) throw std::runtime_error("no metric " + name);
    return std::stod(text.substr(at + name.size() + 2));
  }

 private:
  Metrics metrics_;
  std::unique_ptr<plugin::LoadedPlugin> loaded_;
  std::unique_ptr<plugin::PluginInstance> instance_;
};

// A directory that goes with this object.
class Scratch {
 public:
  explicit Scratch(const std::filesystem::path& parent) : path_(make(parent)) {}
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::filesystem::path make(const std::filesystem::path& parent) {
    std::string name = (parent / "store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    return name;
  }
  const std::filesystem::path path_;
};

}  // namespace berth::bench
