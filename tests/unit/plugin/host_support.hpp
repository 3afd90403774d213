// SPDX-License-Identifier: Apache-2.0
// What the tests of the host side share: a clock the test owns, waiting for a coroutine, a
// temporary directory, and an instance of a plugin that is written in the test itself.
#pragma once

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "berth/sdk/plugin.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::plugin::test {

class ManualClock final : public Clock {
 public:
  SteadyTime steady_now() const override {
    return SteadyTime(std::chrono::nanoseconds(ns_.load()));
  }
  WallTime wall_now() const override { return WallTime(std::chrono::nanoseconds(ns_.load())); }
  void advance(std::chrono::nanoseconds by) { ns_ += by.count(); }

 private:
  std::atomic<std::int64_t> ns_{1'000'000'000};
};

// Waits, long enough for any machine, until something is true.
inline bool eventually(const std::function<bool()>& is_true) {
  for (int i = 0; i < 30000; ++i) {
    if (is_true()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// An executor must outlive the call of `complete` that posts to it: these live as long as the
// process.
inline boost::asio::io_context& lasting_context() {
  static std::mutex mutex;
  static std::list<boost::asio::io_context> contexts;
  const std::lock_guard lock(mutex);
  return contexts.emplace_back(1);
}

// Runs the coroutine to its end on this thread.
template <typename T>
Result<T> await(boost::asio::awaitable<Result<T>> coroutine) {
  thread_local boost::asio::io_context& io = lasting_context();
  io.restart();
  std::optional<Result<T>> result;
  boost::asio::co_spawn(io, std::move(coroutine),
                        [&result](const std::exception_ptr& error, Result<T> value) {
                          if (error) std::rethrow_exception(error);
                          result.emplace(std::move(value));
                        });
  io.run();
  return std::move(*result);
}

inline SteadyTime in(std::chrono::nanoseconds time) {
  return std::chrono::steady_clock::now() + time;
}
// Later than any test lasts.
inline SteadyTime later() {
  return in(std::chrono::minutes(10));
}

class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(std::filesystem::temp_directory_path() / ("berth-plugin-" + random_hex(6))) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

// The entry of a plugin class that stands in the test.
template <typename T>
const berth_plugin_entry_v1& entry_of() {
  static constexpr berth_plugin_entry_v1 kEntry{sizeof(berth_plugin_entry_v1),
                                                BERTH_ABI_MAJOR,
                                                BERTH_ABI_MINOR,
                                                0,
                                                "inside",
                                                "org.example.inside",
                                                "1.0.0",
                                                &sdk::detail::open<T>,
                                                &sdk::detail::query,
                                                &sdk::detail::close};
  return kEntry;
}

inline Manifest manifest_of(std::vector<std::string> provides) {
  Manifest manifest;
  manifest.name = "inside";
  manifest.id = "org.example.inside";
  manifest.version = "1.0.0";
  manifest.abi = {1, 0};
  manifest.provides = std::move(provides);
  manifest.config_schema = "{}";
  return manifest;
}

// Metrics, state and directories for instances.
class Hosting {
 public:
  PluginInstance::Options options(std::string config_json = "{}") {
    return {.clock = system_clock(),
            .metrics = metrics,
            .state = &state,
            .instance = "test",
            .config_json = std::move(config_json),
            .data_root = directory.path() / "data",
            .runtime_root = directory.path() / "run",
            .loader = {}};
  }
  template <typename T>
  Result<std::unique_ptr<PluginInstance>> open(std::vector<std::string> provides,
                                               std::string config_json = "{}") {
    return PluginInstance::open(manifest_of(std::move(provides)), entry_of<T>(),
                                options(std::move(config_json)));
  }
  bool exposes(const std::string& line) const {
    return metrics.text().find(line) != std::string::npos;
  }

  TemporaryDirectory directory;
  Metrics metrics;
  MemoryPluginState state;
};

}  // namespace berth::plugin::test
