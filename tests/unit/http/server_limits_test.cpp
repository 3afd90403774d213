// SPDX-License-Identifier: Apache-2.0
// What the server does about clients that are slow, many or greedy. Short limits, patient tests.
#include <sys/resource.h>
#include <sys/socket.h>
#include <vector>

#include "server_fixture.hpp"

namespace berth::http::testing {
namespace {

using std::chrono::milliseconds;

// Lifts the soft limit of open files to at least `count` while it lives; is_set() tells if it
// could.
class OpenFiles {
 public:
  explicit OpenFiles(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit wanted = before_;
    wanted.rlim_cur = count;
    if (count > wanted.rlim_max) wanted.rlim_max = count;
    set_ = ::setrlimit(RLIMIT_NOFILE, &wanted) == 0;
  }
  ~OpenFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  bool is_set() const { return set_; }

 private:
  rlimit before_{};
  bool set_ = false;
};

TEST_F(ServerTest, ASlowHeadIsAnswered408) {
  ServerOptions options;
  options.header_timeout = milliseconds(100);
  start(options);
  RawSocket silent = connect();
  RawSocket slow = connect();
  ASSERT_TRUE(slow.send("GET / HTTP/1.1\r\nX: "));
  // A byte now and then does not prolong the limit.
  for (int i = 0; i < 1000 && !slow.is_readable(); ++i) {
    slow.send("x");
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_TRUE(slow.is_readable());
  EXPECT_EQ(slow.receive_message().status, 408);
  EXPECT_TRUE(slow.at_end());
  // Whoever has sent nothing yet is idle, not slow.
  ASSERT_TRUE(silent.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(silent.receive_message().status, 200);
}

TEST_F(ServerTest, TheHeadsLimitCountsFromItsFirstByte) {
  ServerOptions options;
  options.header_timeout = milliseconds(100);
  start(options);
  RawSocket client = connect();
  ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message().status, 200);
  std::this_thread::sleep_for(milliseconds(300));
  ASSERT_TRUE(client.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\nGET"));
  EXPECT_EQ(client.receive_message().body, "GET /b ");
  EXPECT_EQ(client.receive_message().status, 408);
}

TEST_F(ServerTest, ASlowBodyIsAnswered408) {
  ServerOptions options;
  options.body_timeout = milliseconds(100);
  start(options);
  for (const std::string framing : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
    RawSocket client = connect();
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: h\r\n" + framing + "\r\n\r\n1"));
    EXPECT_EQ(client.receive_message().status, 408);
    EXPECT_TRUE(client.at_end());
  }
  // After "100 Continue" as well.
  RawSocket asked = connect();
  ASSERT_TRUE(asked.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(asked.receive_message(true).status, 100);
  EXPECT_EQ(asked.receive_message().status, 408);
}

TEST_F(ServerTest, IdleConnectionsAreClosedSilently) {
  ServerOptions options;
  options.idle_timeout = milliseconds(100);
  start(options);
  RawSocket fresh = connect();
  RawSocket used = connect();
  ASSERT_TRUE(used.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(used.receive_message().status, 200);
  EXPECT_TRUE(fresh.at_end());
  EXPECT_TRUE(used.at_end());
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, ABusyConnectionIsNotIdle) {
  ServerOptions options;
  options.idle_timeout = options.header_timeout = options.body_timeout = options.write_timeout =
      milliseconds(50);
  start(options);
  RawSocket client = connect();
  ASSERT_TRUE(client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(wait_for_held(1));
  std::this_thread::sleep_for(milliseconds(400));
  release("late");
  EXPECT_EQ(client.receive_message().body, "late");
}

TEST_F(ServerTest, AClientThatDoesNotReadIsClosed) {
  ServerOptions options;
  options.write_timeout = milliseconds(200);
  start(options);
  RawSocket client = connect();
  ASSERT_TRUE(client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(wait_for_connections(1));
  EXPECT_TRUE(wait_for_connections(0));
  EXPECT_LT(client.receive_all().size(), kBig);
}

TEST_F(ServerTest, AClientThatReadsSteadilyIsServed) {
  ServerOptions options;
  options.write_timeout = milliseconds(1000);
  start(options);
  RawSocket client = connect();
  const int small = 64 * 1024;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  ASSERT_TRUE(client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n"));
  std::size_t total = client.receive_until("\r\n\r\n").size() * 0;
  // Twice the limit in all, and always with progress.
  for (int i = 0; i < 20; ++i) {
    total += client.receive_exactly(200 * 1024).size();
    std::this_thread::sleep_for(milliseconds(100));
  }
  total += client.receive_exactly(kBig - total).size();
  EXPECT_EQ(total, kBig);
}

TEST_F(ServerTest, TooManyConnectionsAreTold) {
  ServerOptions options;
  options.max_connections = 3;
  start(options);
  std::vector<RawSocket> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(clients.back().receive_message().status, 200);
  }
  RawSocket more = connect();
  EXPECT_EQ(more.receive_message().status, 503);
  EXPECT_TRUE(more.at_end());
  more.close();
  clients.pop_back();
  ASSERT_TRUE(wait_for_connections(2));
  EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, TheMemoryOfAllRequestsIsBounded) {
  ServerOptions options;
  options.max_buffered_bytes = 4 * 1024 * 1024;
  start(options);
  // With its head each takes a buffer of 2 MiB.
  const std::string request = "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n" +
                              std::string(1024 * 1024, 'x');
  std::vector<RawSocket> holders;
  for (std::size_t i = 1; i <= 2; ++i) {
    holders.push_back(connect());
    ASSERT_TRUE(holders.back().send(request));
    ASSERT_TRUE(wait_for_held(i));
  }
  EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 503);
  loop_.run([this] { held_.clear(); });
  // What was held is given back.
  for (int i = 0; i < 3; ++i) {
    RawSocket client = connect();
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n" +
                            std::string(1024 * 1024, 'x')));
    EXPECT_EQ(client.receive_message().status, 200);
  }
}

// UBSan asks the kernel by pipe() whether an object is readable: without descriptors it reports
// every virtual call as undefined.
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define BERTH_UBSAN
#endif
#endif
#ifndef BERTH_UBSAN
TEST_F(ServerTest, GoesOnWhenDescriptorsRunOut) {
  start();
  RawSocket first = connect();
  ASSERT_TRUE(first.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(first.receive_message().status, 200);
  RawSocket second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::vector<UniqueFd> fillers;
  ::testing::internal::CaptureStderr();
  {
    const OpenFiles limit(static_cast<rlim_t>(second.fd()) + 32);
    ASSERT_TRUE(limit.is_set());
    for (;;) {
      UniqueFd filler(::dup(second.fd()));
      if (!filler) break;
      fillers.push_back(std::move(filler));
    }
    fillers.pop_back();
    RawSocket waiting = connect();  // takes the last descriptor: accept() has none
    ASSERT_TRUE(waiting.is_open());
    ASSERT_TRUE(waiting.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    // The others are served meanwhile.
    ASSERT_TRUE(first.send("GET /c HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_EQ(first.receive_message().body, "GET /c ");
    fillers.clear();
    EXPECT_EQ(waiting.receive_message().body, "GET /b ");
  }
  // One line, however often it was tried.
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::ContainsRegex("^[^\n]*cannot accept connections[^\n]*\n$"));
}
#endif

TEST_F(ServerTest, ServesThousandsOfConnections) {
  constexpr std::size_t kCount = 3000;
  const OpenFiles limit(2 * kCount + 200);
  if (!limit.is_set()) {
    ASSERT_EQ(std::getenv("BERTH_REQUIRE_ALL"), nullptr);
    GTEST_SKIP() << "the limit of open files cannot be lifted to " << 2 * kCount + 200;
  }
  start();
  std::vector<RawSocket> clients;
  for (std::size_t i = 0; i < kCount; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().is_open()) << i;
  }
  ASSERT_TRUE(wait_for_connections(kCount));
  for (int round = 0; round < 2; ++round) {
    for (RawSocket& client : clients)
      ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
    for (RawSocket& client : clients) ASSERT_EQ(client.receive_message().status, 200);
  }
  clients.clear();
  EXPECT_TRUE(wait_for_connections(0));
}

}  // namespace
}  // namespace berth::http::testing
