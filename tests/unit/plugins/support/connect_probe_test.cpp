// SPDX-License-Identifier: Apache-2.0
#include "support/connect_probe.hpp"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <future>
#include <gtest/gtest.h>

#include "support/event_loop.hpp"

namespace berth::support {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

ConnectProbeOptions settles_after(std::chrono::milliseconds time) {
  ConnectProbeOptions options;
  options.settle = time;
  return options;
}

class ConnectProbeTest : public ::testing::Test {
 protected:
  ~ConnectProbeTest() override {
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
  EventLoop loop_{"probe-test"};
  std::unique_ptr<ConnectProbe> probe_;
};

TEST_F(ConnectProbeTest, WaitsUntilSomebodyListens) {
  // The port is ours, but refuses until we listen.
  tcp::acceptor acceptor(io_, tcp::v4());
  acceptor.bind({asio::ip::address_v4::loopback(), 0});
  const auto accepted = std::make_shared<std::promise<void>>();
  on_loop([&] {
    probe_ =
        std::make_unique<ConnectProbe>(loop_.context(), acceptor.local_endpoint(),
                                       [accepted](const tcp::endpoint&) { accepted->set_value(); });
  });
  auto future = accepted->get_future();
  EXPECT_EQ(future.wait_for(20ms), std::future_status::timeout);
  acceptor.listen();
  EXPECT_EQ(future.wait_for(60s), std::future_status::ready);
}

TEST_F(ConnectProbeTest, IsNotTakenInByAProxyThatClosesAtOnce) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  const tcp::endpoint where = listener.local_endpoint();
  std::atomic<bool> told{false};
  on_loop([&] {
    probe_ = std::make_unique<ConnectProbe>(
        loop_.context(), where, [&](const tcp::endpoint&) { told = true; }, settles_after(600s));
  });
  // It comes again and again, and none of these counts.
  for (int i = 0; i < 4; ++i) listener.accept().close();
  EXPECT_FALSE(told);
}

TEST_F(ConnectProbeTest, TakesAConnectionThatStays) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  const tcp::endpoint where = listener.local_endpoint();
  std::promise<void> accepted;
  on_loop([&] {
    probe_ = std::make_unique<ConnectProbe>(
        loop_.context(), where, [&](const tcp::endpoint&) { accepted.set_value(); },
        settles_after(20ms));
  });
  tcp::socket stays = listener.accept();
  EXPECT_EQ(accepted.get_future().wait_for(60s), std::future_status::ready);
}

TEST_F(ConnectProbeTest, LooksNamesUpAndTellsWhereTheyLed) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  std::promise<tcp::endpoint> accepted;
  on_loop([&] {
    probe_ = std::make_unique<ConnectProbe>(
        loop_.context(), "localhost", listener.local_endpoint().port(),
        [&](const tcp::endpoint& where) { accepted.set_value(where); });
  });
  auto future = accepted.get_future();
  ASSERT_EQ(future.wait_for(60s), std::future_status::ready);
  const tcp::endpoint where = future.get();
  EXPECT_TRUE(where.address().is_loopback());
  EXPECT_EQ(where.port(), listener.local_endpoint().port());
}

TEST_F(ConnectProbeTest, CallsNobodyOnceItIsGone) {
  tcp::acceptor listener(io_, {asio::ip::address_v4::loopback(), 0});
  std::atomic<bool> told{false};
  on_loop([&] {
    probe_ = std::make_unique<ConnectProbe>(loop_.context(), listener.local_endpoint(),
                                            [&](const tcp::endpoint&) { told = true; });
    probe_.reset();
  });
  on_loop([] {});
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace berth::support
