// SPDX-License-Identifier: Apache-2.0
// The leader out of a real ZooKeeper.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#define THREADED  // for the synchronous calls
#include <zookeeper/zookeeper.h>

#include "mesos/scheduler/leader_source.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
constexpr const char* kJar = "/usr/share/java/zookeeper.jar";
constexpr std::chrono::seconds kPatience{90};

template <typename F>
bool eventually(F condition) {
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

std::uint16_t free_port() {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

class ZooKeeper : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kJar)) {
      const char* all = std::getenv("BERTH_REQUIRE_ALL");
      if (all != nullptr && std::string(all) == "1") FAIL() << "package zookeeper is missing";
      GTEST_SKIP() << "package zookeeper is missing";
    }
    std::string made = (std::filesystem::temp_directory_path() / "bzk-XXXXXX").string();
    ASSERT_NE(::mkdtemp(made.data()), nullptr);
    folder_ = made;
    start();
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    leader_.reset();
    work_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
    if (zk_ != nullptr) zookeeper_close(zk_);
    end();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  // Its own port is only taken when it listens: another may be faster.
  void start() {
    if (port_ == 0) port_ = free_port();
    std::ofstream(folder_ + "/zoo.cfg")
        << "tickTime=500\ndataDir=" << folder_
        << "/data\nclientPortAddress=127.0.0.1\nclientPort=" << port_
        << "\nadmin.enableServer=false\n";
    pid_ = ::fork();
    if (pid_ == 0) {
      const int null = ::open("/dev/null", O_RDWR);
      for (const int fd : {0, 1, 2}) ::dup2(null, fd);
      const std::string config = folder_ + "/zoo.cfg";
      ::execlp("java", "java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", kJar,
               "org.apache.zookeeper.server.ZooKeeperServerMain", config.c_str(), nullptr);
      ::_exit(127);
    }
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  std::string hosts() const { return "127.0.0.1:" + std::to_string(port_); }
  void connect() {
    zoo_set_debug_level(static_cast<ZooLogLevel>(0));
    zk_ = zookeeper_init(hosts().c_str(), nullptr, 10'000, nullptr, nullptr, 0);
    ASSERT_NE(zk_, nullptr);
    ASSERT_TRUE(eventually([&] { return zoo_state(zk_) == ZOO_CONNECTED_STATE; }));
    ASSERT_TRUE(eventually([&] { return create("/mesos", ""); }));
  }
  bool create(const std::string& path, const std::string& value) {
    const int rc = zoo_create(zk_, path.c_str(), value.data(), static_cast<int>(value.size()),
                              &ZOO_OPEN_ACL_UNSAFE, 0, nullptr, 0);
    return rc == ZOK || rc == ZNODEEXISTS;
  }
  bool remove(const std::string& path) { return zoo_delete(zk_, path.c_str(), -1) == ZOK; }
  static std::string info(int port) {
    return R"({"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":)" + std::to_string(port) +
           R"(},"hostname":"127.0.0.1","id":"x","ip":16777343,"pid":"master@127.0.0.1:5050","port":)" +
           std::to_string(port) + R"(,"version":"1.12.0"})";
  }

  // On the loop, as the plugin does.
  void watch() {
    on_loop([&] {
      leader_ = zookeeper_leader(io_, "zk://" + hosts() + "/mesos", "http");
      leader_->on_change = [this] { ++changes_; };
    });
  }
  template <typename F>
  void on_loop(F f) {
    std::promise<void> done;
    asio::post(io_, [&] {
      f();
      done.set_value();
    });
    done.get_future().get();
  }
  std::string next() {
    std::string url;
    on_loop([&] { url = leader_->next(); });
    return url;
  }

  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  zhandle_t* zk_ = nullptr;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
  std::unique_ptr<LeaderSource> leader_;  // used on the loop
  std::atomic<int> changes_{0};
};

TEST_F(ZooKeeper, FollowsTheElection) {
  watch();  // before there is anything, even a server that answers
  EXPECT_EQ(next(), "");
  ASSERT_NO_FATAL_FAILURE(connect());
  ASSERT_TRUE(create("/mesos/log_replicas", ""));
  ASSERT_TRUE(create("/mesos/json.info_0000000007", info(5060)));
  ASSERT_TRUE(eventually([&] { return next() == "http://127.0.0.1:5060"; }));
  ASSERT_TRUE(create("/mesos/json.info_0000000005", info(5050)));
  ASSERT_TRUE(eventually([&] { return next() == "http://127.0.0.1:5050"; })) << "the lowest leads";
  ASSERT_TRUE(remove("/mesos/json.info_0000000005"));
  ASSERT_TRUE(eventually([&] { return next() == "http://127.0.0.1:5060"; }));
  EXPECT_GE(changes_, 3);

  end();  // the leader known so far stays
  EXPECT_EQ(next(), "http://127.0.0.1:5060");
  start();
  ASSERT_TRUE(eventually([&] { return remove("/mesos/json.info_0000000007"); }));
  ASSERT_TRUE(eventually([&] { return next().empty(); })) << "nobody is elected";
  ASSERT_TRUE(create("/mesos/json.info_0000000009", info(5070)));
  EXPECT_TRUE(eventually([&] { return next() == "http://127.0.0.1:5070"; }));
}

}  // namespace
}  // namespace berth::mesos
