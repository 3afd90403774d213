// SPDX-License-Identifier: Apache-2.0
// Connections are spread over the servers, each on its thread.
#include "http/server_group.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "socket_support.hpp"

namespace berth::http::testing {
namespace {

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

class ServerGroupTest : public ::testing::Test {
 protected:
  ServerGroupTest() {
    for (std::size_t i = 0; i < 2; ++i) {
      loops_[i].run([this, i] {
        servers_[i] = std::make_unique<Server>(
            loops_[i].io(), ServerOptions{},
            [i](const Request&, Responder responder) {
              responder.send({.status = 200, .body = std::to_string(i)});
            },
            [](int status, std::string_view) { return Response{.status = status}; });
      });
    }
    loops_[0].run([this] {
      const Status bound = group_.bind_tcp("127.0.0.1:0");
      EXPECT_TRUE(bound.ok()) << bound.to_string();
    });
  }
  ~ServerGroupTest() override {
    loops_[0].run([this] { group_.close(); });
    for (std::size_t i = 0; i < 2; ++i) loops_[i].run([this, i] { servers_[i].reset(); });
  }
  void start() {
    loops_[0].run([this] {
      group_.start({{loops_[0].io(), *servers_[0]}, {loops_[1].io(), *servers_[1]}});
    });
  }
  // A connection on which a request was answered, and by which server.
  struct Served {
    RawSocket socket;
    std::string by;
  };
  Served serve() {
    Served served{RawSocket::connect_tcp(group_.port()), {}};
    EXPECT_TRUE(served.socket.send(kRequest));
    served.by = served.socket.receive_message().body;
    return served;
  }

  Loop loops_[2];
  std::unique_ptr<Server> servers_[2];
  ServerGroup group_{loops_[0].io()};
};

TEST_F(ServerGroupTest, GivesEachConnectionToTheServerWithTheFewest) {
  start();
  std::vector<Served> kept;
  for (int i = 0; i < 6; ++i) kept.push_back(serve());
  EXPECT_EQ(servers_[0]->connections(), 3u);
  EXPECT_EQ(servers_[1]->connections(), 3u);
  // Those of one end: the next ones are its.
  std::erase_if(kept, [](const Served& served) { return served.by == "1"; });
  ASSERT_TRUE(loops_[1].wait_until([this] { return servers_[1]->connections() == 0; }));
  for (int i = 0; i < 3; ++i) {
    kept.push_back(serve());
    EXPECT_EQ(kept.back().by, "1");
  }
}

TEST_F(ServerGroupTest, ServesNobodyBeforeItsStartAndWhoCameBeforeItsEnd) {
  RawSocket early = RawSocket::connect_tcp(group_.port());
  EXPECT_TRUE(early.send(kRequest));
  start();
  EXPECT_EQ(early.receive_message().status, 200);
  // It waits in the backlog while the loop is busy closing.
  RawSocket late;
  loops_[0].run([&] {
    late = RawSocket::connect_tcp(group_.port());
    group_.close();
  });
  EXPECT_TRUE(late.send(kRequest));
  EXPECT_EQ(late.receive_message().status, 200);
}

TEST_F(ServerGroupTest, ItsEndBeforeItsStartLeavesWhoWaits) {
  RawSocket early = RawSocket::connect_tcp(group_.port());
  loops_[0].run([this] { group_.close(); });
  EXPECT_TRUE(early.at_end());
}

TEST_F(ServerGroupTest, WhoComesWhileAServerDrainsIsServedOnce) {
  start();
  for (std::size_t i = 0; i < 2; ++i) loops_[i].run([this, i] { servers_[i]->drain(); });
  RawSocket asking = RawSocket::connect_tcp(group_.port());
  EXPECT_TRUE(asking.at_end()) << "it asked for nothing";
}

TEST_F(ServerGroupTest, ATakenAddressIsTold) {
  ServerGroup second(loops_[1].io());
  Status bound;
  loops_[1].run([&] { bound = second.bind_tcp("127.0.0.1:" + std::to_string(group_.port())); });
  EXPECT_EQ(bound.code(), StatusCode::kFailedPrecondition) << bound.to_string();
  EXPECT_EQ(second.port(), 0);
}

}  // namespace
}  // namespace berth::http::testing
