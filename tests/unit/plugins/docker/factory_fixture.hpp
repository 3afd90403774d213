// SPDX-License-Identifier: Apache-2.0
// libberth_docker.so as berthd has it, on a FakeEngine.
#pragma once

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "fake_engine.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::plugin {

class DockerPlugin : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  DockerPlugin() : work_(boost::asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {
    std::filesystem::create_directories(root_);
    engine_ = std::make_unique<berth::testing::FakeEngine>(socket(), (root_ / "docker").string());
    engine_->add_image("berth/action-python");
  }
  ~DockerPlugin() override {
    close();
    work_.reset();
    thread_.join();
    engine_->go_away();  // its hooks look at engine_ until then
    engine_.reset();
    std::filesystem::remove_all(root_);
  }

  std::string socket() const { return (root_ / "s").string(); }

  // Opens the plugin; further members of its table in `more`, each with a comma before.
  Result<void> open(const std::string& more = "") {
    if (loaded_ == nullptr) {
      // berthd refuses a plugin that others may write, as a build directory may allow.
      const auto file = root_ / "libberth_docker.so";
      std::filesystem::copy_file(BERTH_DOCKER_PLUGIN, file);
      std::filesystem::permissions(file, std::filesystem::perms(0644));
      auto loaded = LoadedPlugin::load(examine(file));
      if (!loaded) return loaded.error();
      loaded_ = std::move(*loaded);
    }
    std::ofstream(root_ / "config.json") << "{}";
    const std::string config = R"({"host":"unix://)" + socket() + R"(","docker_config":")" +
                               (root_ / "config.json").string() + "\"" + more + "}";
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
  void close() {
    instance_.reset();
    loaded_.reset();
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
    r.labels = {{"action", "guest/hello"}};
    return r;
  }
  Result<ContainerInfo> create(CreateRequest r = request()) {
    return await(factory().create(std::move(r), later()));
  }

  // What a hook waits for until it is opened, at the latest when the test ends. Hooks take `passed`
  // by value. Thread-safe.
  class Barrier {
   public:
    ~Barrier() { open(); }
    void open() {
      if (!opened_.exchange(true)) promise_.set_value();
    }

   private:
    std::promise<void> promise_;
    std::atomic<bool> opened_{false};

   public:
    const std::shared_future<void> passed = promise_.get_future().share();
  };

  // Waits for what the engine or the plugin does by itself.
  template <typename F>
  static bool eventually(F condition) {
    const auto limit = later();
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
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
      std::filesystem::temp_directory_path() / ("bdp-" + random_hex(6));
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
  std::unique_ptr<berth::testing::FakeEngine> engine_;
  Metrics metrics_;
  MemoryPluginState state_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ContainerDied> deaths_;
  std::unique_ptr<LoadedPlugin> loaded_;
  std::unique_ptr<PluginInstance> instance_;
};

}  // namespace berth::plugin
