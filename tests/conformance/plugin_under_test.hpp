// SPDX-License-Identifier: Apache-2.0
// A plugin's shared object as berthd has it: copied to a directory that only we can write,
// examined, loaded, opened, and called through the boundary. Not thread-safe, but for what LogStore
// allows.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::conformance {

// Each thread's own, never destroyed: the plugin's thread that completes a call may still be on its
// way out of the context when the call's end has been seen here already.
inline boost::asio::io_context& context_of_thread() {
  static std::mutex mutex;
  static auto& all = *new std::deque<boost::asio::io_context>();
  thread_local boost::asio::io_context* const own = [] {
    const std::lock_guard lock(mutex);
    return &all.emplace_back();
  }();
  return *own;
}

// Runs a coroutine to its end.
template <typename T>
Result<T> await(boost::asio::awaitable<Result<T>> coroutine) {
  boost::asio::io_context& io = context_of_thread();
  std::optional<Result<T>> result;
  boost::asio::co_spawn(io, std::move(coroutine),
                        [&](const std::exception_ptr& error, Result<T> value) {
                          if (error) std::rethrow_exception(error);
                          result.emplace(std::move(value));
                        });
  io.restart();
  io.run();
  return std::move(*result);
}

inline SteadyTime later(std::chrono::milliseconds wait = std::chrono::minutes(2)) {
  return std::chrono::steady_clock::now() + wait;
}

class PluginUnderTest {
 public:
  explicit PluginUnderTest(const std::filesystem::path& file) {
    std::filesystem::create_directories(root_);
    std::filesystem::permissions(root_, std::filesystem::perms::owner_all);
    // berthd refuses a plugin that others may write, as a build directory may allow.
    const auto copy = root_ / file.filename();
    std::filesystem::copy_file(file, copy);
    std::filesystem::permissions(copy, std::filesystem::perms(0644));
    auto loaded = plugin::LoadedPlugin::load(plugin::examine(copy));
    if (!loaded) throw std::runtime_error(loaded.error().to_string());
    loaded_ = std::move(*loaded);
  }
  ~PluginUnderTest() {
    instance_.reset();
    loaded_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  PluginUnderTest(const PluginUnderTest&) = delete;
  PluginUnderTest& operator=(const PluginUnderTest&) = delete;

  // A new instance over the same data; an earlier one is closed first.
  Result<plugin::PluginInstance*> open(const std::string& config) {
    close();
    auto instance = plugin::PluginInstance::open(*loaded_, {.clock = system_clock(),
                                                            .metrics = metrics_,
                                                            .state = nullptr,
                                                            .instance = "test",
                                                            .config_json = config,
                                                            .data_root = root_ / "data",
                                                            .runtime_root = root_ / "run",
                                                            .loader = {}});
    if (!instance) return instance.error();
    instance_ = std::move(*instance);
    return instance_.get();
  }
  void close() { instance_.reset(); }

  const plugin::Manifest& manifest() const { return loaded_->manifest(); }
  const std::filesystem::path& root() const { return root_; }
  std::string metrics() const { return metrics_.text(); }

 private:
  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("berth-put-" + random_hex(6));
  Metrics metrics_;
  std::unique_ptr<plugin::LoadedPlugin> loaded_;
  std::unique_ptr<plugin::PluginInstance> instance_;
};

}  // namespace berth::conformance
