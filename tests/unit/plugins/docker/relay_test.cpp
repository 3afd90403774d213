// SPDX-License-Identifier: Apache-2.0
#include "docker/relay.hpp"

#include <arpa/inet.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "support/event_loop.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class DockerRelay : public ::testing::Test {
 protected:
  DockerRelay() {
    char name[] = "/tmp/bdr-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~DockerRelay() override {
    loop_.stop();
    relay_.reset();
    std::filesystem::remove_all(directory_);
  }
  // Into our own network namespace.
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces are entered by root only";
    std::promise<void> done;
    loop_.post([&] {
      auto network = NetworkNamespace::of_process(::getpid());
      if (network) {
        auto relay = Relay::open(loop_.context(),
                                 std::make_shared<const NetworkNamespace>(std::move(*network)),
                                 path(), acceptor_.local_endpoint().port());
        if (relay) relay_ = std::move(*relay);
      }
      done.set_value();
    });
    done.get_future().get();
    if (relay_ != nullptr) return;
    if (std::getenv("BERTH_REQUIRE_ALL") != nullptr) FAIL() << "namespaces cannot be entered";
    GTEST_SKIP() << "namespaces cannot be entered here";
  }
  std::string path() const { return directory_ + "/s"; }
  static int client() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
  bool connect(int fd) const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path().c_str(), sizeof name.sun_path - 1);
    return ::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0;
  }
  // What comes through; "" if nothing does.
  std::string passed_on(int fd) {
    EXPECT_EQ(::send(fd, "hello", 5, MSG_NOSIGNAL), 5);
    pollfd waiting{acceptor_.native_handle(), POLLIN, 0};
    if (::poll(&waiting, 1, 60'000) != 1) return "";
    tcp::socket function = acceptor_.accept();
    std::string text(5, ' ');
    asio::read(function, asio::buffer(text));
    return text;
  }

  std::string directory_;
  asio::io_context io_;
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  support::EventLoop loop_{"relay-test"};
  std::unique_ptr<Relay> relay_;
};

TEST_F(DockerRelay, PassesConnectionsOn) {
  for (int i = 0; i < 3; ++i) {
    const int fd = client();
    ASSERT_TRUE(connect(fd));
    EXPECT_EQ(passed_on(fd), "hello");
    ::close(fd);
  }
}

TEST_F(DockerRelay, GoesOnWhenDescriptorsWereShort) {
  const int fd = client();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int free = ::dup(fd);
  ::close(free);
  // Nothing can be opened any more: the relay's accept fails.
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_TRUE(connect(fd));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(passed_on(fd), "hello");
  ::close(fd);
}

}  // namespace
}  // namespace berth::docker
