// SPDX-License-Identifier: Apache-2.0
// The plugin on a real engine, in every network: runs beside one that tests/support/with_engine.py
// starts, with Berth's images ($DOCKER_HOST).
#include <arpa/inet.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "base/ids.hpp"
#include "base/metrics.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_instance.hpp"

namespace berth::plugin {
namespace {

// Hundreds of containers at once wait for one another.
const int kPatienceMs = std::getenv("BERTH_SOAK") != nullptr ? 600'000 : 60'000;

class DockerEngine : public ::testing::TestWithParam<const char*> {
 protected:
  DockerEngine() : work_(boost::asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~DockerEngine() override {
    // Also when the test has failed.
    if (instance_ != nullptr) (void)await(factory().stop(StopMode::kKill, later()));
    close();
    work_.reset();
    thread_.join();
    std::filesystem::remove_all(root_);
  }
  void SetUp() override {
    ASSERT_NE(std::getenv("DOCKER_HOST"), nullptr) << "run by with_engine.py";
  }

  void open(const std::string& network, const std::string& more = "") {
    std::filesystem::create_directories(root_);
    const auto file = root_ / "libberth_docker.so";
    std::filesystem::copy_file(BERTH_DOCKER_PLUGIN, file,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(file, std::filesystem::perms(0644));
    auto loaded = LoadedPlugin::load(examine(file));
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    loaded_ = std::move(*loaded);
    const std::string config = R"({"network":")" + network + R"(","pool_size":2)" + more;
    auto instance = PluginInstance::open(*loaded_, {system_clock(),
                                                    metrics_,
                                                    &state_,
                                                    "test",
                                                    config + "}",
                                                    root_ / "data",
                                                    root_ / "run",
                                                    {}});
    ASSERT_TRUE(instance) << instance.error().to_string();
    instance_ = std::move(*instance);
    const auto started = await(factory().start(
        [this](ContainerDied death) {
          const std::lock_guard lock(mutex_);
          deaths_.push_back(std::move(death));
          changed_.notify_all();
        },
        later()));
    ASSERT_TRUE(started) << started.error().to_string();
  }
  void close() {
    instance_.reset();
    loaded_.reset();
  }
  ContainerFactory& factory() { return *instance_->container_factory(); }
  bool says(const std::string& id, std::string_view line);
  static SteadyTime later() {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  }
  template <typename T>
  Result<T> await(Awaitable<T> awaitable) {
    return boost::asio::co_spawn(io_, std::move(awaitable), boost::asio::use_future).get();
  }
  Result<ContainerInfo> create() {
    CreateRequest r;
    r.transaction_id = "tid_test";
    r.name = "berth-test-" + random_hex(6);
    r.kind = "python:3.11";
    r.image = "berth/action-python";
    r.memory_bytes = 256ull << 20;
    r.labels = {{"action", "guest/hello"}};
    return await(factory().create(std::move(r), later()));
  }
  ContainerDied next_death() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                           [&] { return !deaths_.empty(); })) {
      ADD_FAILURE() << "nobody told of a death";
      return {};
    }
    ContainerDied death = std::move(deaths_.front());
    deaths_.erase(deaths_.begin());
    return death;
  }

  // A connection to a function; -1 if it is refused.
  static int dial(const std::string& address) {
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (address.starts_with("unix:")) {
      auto& name = reinterpret_cast<sockaddr_un&>(storage);
      name.sun_family = AF_UNIX;
      std::strncpy(name.sun_path, address.c_str() + 5, sizeof name.sun_path - 1);
      size = sizeof name;
    } else {
      const std::size_t colon = address.rfind(':');
      auto& name = reinterpret_cast<sockaddr_in&>(storage);
      name.sin_family = AF_INET;
      name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
      ::inet_pton(AF_INET, address.substr(6, colon - 6).c_str(), &name.sin_addr);
      size = sizeof name;
    }
    const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&storage), size) == 0) return fd;
    ::close(fd);
    return -1;
  }
  static void send_post(int fd, const std::string& path, const std::string& body) {
    const std::string request = "POST " + path +
                                " HTTP/1.1\r\nHost: f\r\nConnection: close\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  // What comes until the end, or nothing within `ms`.
  static std::string receive(int fd, int ms) {
    std::string reply;
    pollfd waiting{fd, POLLIN, 0};
    char buffer[4096];
    while (::poll(&waiting, 1, ms) == 1) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      reply.append(buffer, static_cast<std::size_t>(n));
    }
    return reply;
  }
  static std::string post(const std::string& address, const std::string& path,
                          const std::string& body) {
    const int fd = dial(address);
    if (fd < 0) return "refused";
    send_post(fd, path, body);
    std::string reply = receive(fd, kPatienceMs);
    ::close(fd);
    return reply;
  }
  static std::string init(const std::string& address, const std::string& code) {
    return post(address, "/init", R"({"value":{"main":"main","code":")" + code + R"("}})");
  }

  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("bde-" + random_hex(6));
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
  Metrics metrics_;
  MemoryPluginState state_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ContainerDied> deaths_;
  std::unique_ptr<LoadedPlugin> loaded_;
  std::unique_ptr<PluginInstance> instance_;
};

// Whether this line comes; the engine may write one stream's before the other's.
bool DockerEngine::says(const std::string& id, std::string_view line) {
  std::string cursor;
  const SteadyTime end = later();
  while (std::chrono::steady_clock::now() < end) {
    const auto batch = await(factory().read_logs(id, cursor, 1 << 20, later()));
    if (!batch) {
      ADD_FAILURE() << batch.error().to_string();
      return false;
    }
    for (const LogRecord& record : batch->records) {
      if (record.bytes == line) return true;
    }
    cursor = batch->next_cursor;
  }
  return false;
}

TEST_P(DockerEngine, RunsPausesLogsIsAdoptedAndGoes) {
  ASSERT_NO_FATAL_FAILURE(open(GetParam()));
  const auto info = create();
  ASSERT_TRUE(info) << info.error().to_string();
  // A connect never needs another try.
  ASSERT_NE(
      init(info->address, R"(def main(args):\n  print('hello')\n  return {'a': 1})").find("200 OK"),
      std::string::npos);
  ASSERT_NE(post(info->address, "/run", R"({"value":{}})").find("\"a\""), std::string::npos);
  EXPECT_TRUE(says(info->id, "hello"));

  const auto resized = await(factory().resize(info->id, {384ull << 20, 512, 1500}, later()));
  ASSERT_TRUE(resized) << resized.error().to_string();
  const auto stats = await(factory().stats(info->id, later()));
  ASSERT_TRUE(stats) << stats.error().to_string();
  EXPECT_EQ(stats->memory_limit_bytes, 384 << 20);
  EXPECT_GT(stats->memory_bytes, 0);
  EXPECT_LT(stats->memory_bytes, 384 << 20);
  EXPECT_GT(stats->cpu_ns, 0);
  EXPECT_GT(stats->pids, 0);

  const auto paused = await(factory().pause(info->id, later()));
  ASSERT_TRUE(paused) << paused.error().to_string();
  const int fd = dial(info->address);
  ASSERT_GE(fd, 0) << "the kernel or the relay accepts for a stopped function";
  send_post(fd, "/run", R"({"value":{}})");
  EXPECT_EQ(receive(fd, 200), "");

  // The next life finds it as it is, and wakes it.
  ASSERT_TRUE(await(factory().stop(StopMode::kDetach, later())));
  close();
  ASSERT_NO_FATAL_FAILURE(open(GetParam()));
  const auto list = await(factory().list(later()));
  ASSERT_TRUE(list) << list.error().to_string();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->at(0).token, info->token);
  EXPECT_EQ(list->at(0).address, info->address);
  EXPECT_EQ(list->at(0).state, ContainerState::kPaused);
  const auto resumed = await(factory().resume(info->id, later()));
  ASSERT_TRUE(resumed) << resumed.error().to_string();
  ::close(fd);
  EXPECT_NE(post(info->address, "/run", R"({"value":{}})").find("\"a\""), std::string::npos);

  // One that is stopped can be destroyed.
  ASSERT_TRUE(await(factory().pause(info->id, later())));
  const auto destroyed = await(factory().destroy(info->id, later()));
  EXPECT_TRUE(destroyed) << destroyed.error().to_string();
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  close();
}

// The engine cannot kill what was frozen behind its back.
TEST_P(DockerEngine, DestroysWhatIsJustBeingPaused) {
  ASSERT_NO_FATAL_FAILURE(open(GetParam()));
  for (int round = 0; round < 3; ++round) {
    const auto info = create();
    ASSERT_TRUE(info) << info.error().to_string();
    auto paused =
        boost::asio::co_spawn(io_, factory().pause(info->id, later()), boost::asio::use_future);
    auto destroyed =
        boost::asio::co_spawn(io_, factory().destroy(info->id, later()), boost::asio::use_future);
    const Result<void> gone = destroyed.get();
    EXPECT_TRUE(gone) << gone.error().to_string();
    (void)paused.get();  // either was first
    EXPECT_EQ(await(factory().pause(info->id, later())).error().code(), StatusCode::kNotFound);
  }
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  close();
}

TEST_P(DockerEngine, TellsOfDeathAndOfMemory) {
  ASSERT_NO_FATAL_FAILURE(open(GetParam()));
  const auto ends = create(), hungry = create();
  ASSERT_TRUE(ends) << ends.error().to_string();
  ASSERT_TRUE(hungry) << hungry.error().to_string();
  (void)init(ends->address, R"(import os\ndef main(args):\n  os._exit(7))");
  (void)post(ends->address, "/run", R"({"value":{}})");
  ContainerDied death = next_death();
  EXPECT_EQ(death.id, ends->id);
  EXPECT_EQ(death.exit_code, 7);
  EXPECT_FALSE(death.oom);
  (void)init(hungry->address,
             R"(def main(args):\n  k = []\n  while True:\n    k.append(bytearray(16 << 20)))");
  (void)post(hungry->address, "/run", R"({"value":{}})");
  death = next_death();
  EXPECT_EQ(death.id, hungry->id);
  EXPECT_TRUE(death.oom) << death.reason;
  EXPECT_EQ(death.reason, "exhausted its memory: limit 256 MB");
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  close();
}

TEST_P(DockerEngine, StartsManyAtOnce) {
  ASSERT_NO_FATAL_FAILURE(open(GetParam()));
  const int count = std::getenv("BERTH_SOAK") != nullptr ? 200 : 12;
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 0; i < count; ++i) {
    creates.push_back(std::async(std::launch::async, [this] { return create(); }));
  }
  std::vector<std::future<Result<void>>> destroys;
  for (auto& one : creates) {
    const auto info = one.get();
    ASSERT_TRUE(info) << info.error().to_string();
    destroys.push_back(
        boost::asio::co_spawn(io_, factory().destroy(info->id, later()), boost::asio::use_future));
  }
  for (auto& one : destroys) EXPECT_TRUE(one.get());
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  close();
}

INSTANTIATE_TEST_SUITE_P(Networks, DockerEngine,
                         ::testing::Values("bridge", "pooled", "host", "none"),
                         [](const auto& network) { return std::string(network.param); });

}  // namespace
}  // namespace berth::plugin
