// SPDX-License-Identifier: Apache-2.0
// libberth_mesos.so as berthd has it, on the simulator.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_instance.hpp"
#include "simulator.hpp"

namespace berth::plugin {

class MesosPlugin : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  MesosPlugin() : work_(boost::asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {
    std::filesystem::create_directories(root_);
  }
  ~MesosPlugin() override {
    close();
    work_.reset();
    thread_.join();
    simulator_.reset();
    std::filesystem::remove_all(root_);
  }

  void simulate(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"--run", "listeners", "--share-ports"});
    simulator_ = std::make_unique<berth::testing::Simulator>(options);
  }

  // Opens the plugin and starts it; further members of its table in `more`, each with a comma
  // before.
  Result<void> open(const std::string& more = "") {
    if (loaded_ == nullptr) {
      // berthd refuses a plugin that others may write, as a build directory may allow.
      const auto file = root_ / "libberth_mesos.so";
      std::filesystem::copy_file(BERTH_MESOS_PLUGIN, file);
      std::filesystem::permissions(file, std::filesystem::perms(0644));
      auto loaded = LoadedPlugin::load(examine(file));
      if (!loaded) return loaded.error();
      loaded_ = std::move(*loaded);
    }
    const std::string config = "{\"masters\":" + simulator_->masters_json() + more + "}";
    auto instance = PluginInstance::open(
        *loaded_,
        {system_clock(), metrics_, &state_, "test", config, root_ / "data", root_ / "run", {}});
    if (!instance) return instance.error();
    instance_ = std::move(*instance);
    return await(factory().start(
        [this](ContainerDied death) {
          const std::lock_guard lock(mutex_);
          deaths_.push_back(std::move(death));
          changed_.notify_all();
        },
        later()));
  }
  // Without stop(): as a crash leaves it.
  void close() { instance_.reset(); }

  // As if it had crashed before it could remember them.
  void forget_tasks() {
    std::promise<store::PluginStatePage> listed;
    state_.list(io_.get_executor(), "mesos", "task/", "", 1000,
                [&](Result<store::PluginStatePage> page) { listed.set_value(std::move(*page)); });
    for (const auto& entry : listed.get_future().get().entries) {
      std::promise<void> removed;
      state_.remove(io_.get_executor(), "mesos", entry.key, UINT64_MAX,
                    [&](const Result<void>&) { removed.set_value(); });
      removed.get_future().get();
    }
  }

  ContainerFactory& factory() { return *instance_->container_factory(); }
  static SteadyTime later() { return std::chrono::steady_clock::now() + kPatience; }

  template <typename T>
  std::future<Result<T>> begin(Awaitable<T> awaitable) {
    return boost::asio::co_spawn(io_, std::move(awaitable), boost::asio::use_future);
  }
  template <typename T>
  Result<T> await(Awaitable<T> awaitable) {
    return begin(std::move(awaitable)).get();
  }

  static CreateRequest request(const std::string& name = "berth-test-1") {
    CreateRequest r;
    r.transaction_id = "tid_test";
    r.name = name;
    r.kind = "python:3.11";
    r.image = "berth/action-python";
    r.memory_bytes = 256ull << 20;
    r.cpu_shares = 128;
    r.labels = {{"action", "guest/hello"}};
    return r;
  }
  Result<ContainerInfo> create(CreateRequest r = request(), SteadyTime deadline = later()) {
    return await(factory().create(std::move(r), deadline));
  }
  Result<std::vector<ContainerInfo>> list() { return await(factory().list(later())); }

  // Waits for what the cluster or the plugin does by itself.
  template <typename F>
  static bool eventually(F condition) {
    const auto limit = later();
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  bool eventually_tasks(std::size_t count) {
    return eventually([&] { return simulator_->tasks() == count; });
  }
  ContainerDied next_death() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return !deaths_.empty(); })) {
      ADD_FAILURE() << "nobody told of a death";
      return {};
    }
    ContainerDied death = std::move(deaths_.front());
    deaths_.erase(deaths_.begin());
    return death;
  }
  std::size_t deaths() {
    const std::lock_guard lock(mutex_);
    return deaths_.size();
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("bmp-" + random_hex(6));
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
  std::unique_ptr<berth::testing::Simulator> simulator_;
  Metrics metrics_;
  MemoryPluginState state_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ContainerDied> deaths_;
  std::unique_ptr<LoadedPlugin> loaded_;
  std::unique_ptr<PluginInstance> instance_;
};

}  // namespace berth::plugin
