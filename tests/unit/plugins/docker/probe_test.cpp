// SPDX-License-Identifier: Apache-2.0
#include "docker/probe.hpp"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <future>
#include <gtest/gtest.h>

#include "support/event_loop.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

class DockerProbe : public ::testing::Test {
 protected:
  ~DockerProbe() override {
    loop_.stop();
    probe_.reset();
  }
  template <typename F>
  void on_loop(F f) {
    std::promise<void> done;
    loop_.post([&] {
      f();
      done.set_value();
    });
    done.get_future().get();
  }

  asio::io_context io_;
  support::EventLoop loop_{"probe-test"};
  std::unique_ptr<Probe> probe_;
};

TEST_F(DockerProbe, WaitsUntilSomebodyListens) {
  // The port is ours, but refuses until we listen.
  tcp::acceptor acceptor(io_, tcp::v4());
  acceptor.bind({asio::ip::address_v4::loopback(), 0});
  const auto accepted = std::make_shared<std::promise<void>>();
  on_loop([&] {
    probe_ = std::make_unique<Probe>(loop_.context(), acceptor.local_endpoint(),
                                     [accepted] { accepted->set_value(); });
  });
  auto future = accepted->get_future();
  EXPECT_EQ(future.wait_for(20ms), std::future_status::timeout);
  acceptor.listen();
  EXPECT_EQ(future.wait_for(60s), std::future_status::ready);
}

TEST_F(DockerProbe, IsNotTakenInByAProxyThatClosesAtOnce) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  const tcp::endpoint where = listener.local_endpoint();
  std::atomic<bool> told{false};
  on_loop([&] {
    probe_ = std::make_unique<Probe>(
        loop_.context(), where, [&] { told = true; }, Probe::MakeSocket(), 600s);
  });
  // It comes again and again, and none of these counts.
  for (int i = 0; i < 4; ++i) listener.accept().close();
  EXPECT_FALSE(told);
}

TEST_F(DockerProbe, TakesAConnectionThatStays) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  const tcp::endpoint where = listener.local_endpoint();
  std::promise<void> accepted;
  on_loop([&] {
    probe_ = std::make_unique<Probe>(
        loop_.context(), where, [&] { accepted.set_value(); }, Probe::MakeSocket(), 20ms);
  });
  tcp::socket stays = listener.accept();
  EXPECT_EQ(accepted.get_future().wait_for(60s), std::future_status::ready);
}

TEST_F(DockerProbe, CallsNobodyOnceItIsGone) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  std::atomic<bool> told{false};
  on_loop([&] {
    probe_ =
        std::make_unique<Probe>(loop_.context(), listener.local_endpoint(), [&] { told = true; });
    probe_.reset();
  });
  on_loop([] {});
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace berth::docker
