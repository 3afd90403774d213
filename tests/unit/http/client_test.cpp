// SPDX-License-Identifier: Apache-2.0
// The client against scripted peers, on real sockets.
#include "http/client.hpp"

#include <future>
#include <gmock/gmock.h>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "socket_support.hpp"

namespace berth::http::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

// With the connections on its own thread, and on another one.
class ClientTest : public ::testing::TestWithParam<bool> {
 protected:
  ~ClientTest() override {
    loop_.run([this] { client_.reset(); });
  }

  void open(const std::string& address) {
    loop_.run([&] {
      auto client = Client::open(loop_.io(), address, GetParam() ? &wire_.io() : nullptr);
      ASSERT_TRUE(client) << client.error().to_string();
      client_ = std::move(*client);
    });
  }

  ClientRequest request(std::string body,
                        std::chrono::milliseconds limit = std::chrono::minutes(1)) {
    ClientRequest result;
    result.path = "/run";
    result.body = std::move(body);
    result.deadline = std::chrono::steady_clock::now() + limit;
    return result;
  }

  std::future<ClientResponse> post(ClientRequest request) {
    auto promise = std::make_shared<std::promise<ClientResponse>>();
    auto future = promise->get_future();
    loop_.run([&] {
      const auto inside = std::make_shared<bool>(true);
      const auto home = std::this_thread::get_id();
      client_->post(std::move(request), [promise, inside, home](ClientResponse response) {
        EXPECT_FALSE(*inside) << "called from inside post()";
        EXPECT_EQ(std::this_thread::get_id(), home);
        promise->set_value(std::move(response));
      });
      *inside = false;
    });
    return future;
  }
  std::future<ClientResponse> post(std::string body = "{}") {
    return post(request(std::move(body)));
  }

  // Posts, and has the listener's next connection answer with these bytes and close.
  ClientResponse answered_with(std::string_view bytes) {
    auto response = post();
    RawSocket peer = listener_.accept();
    peer.receive_message();
    peer.send(bytes);
    peer.close();
    return response.get();
  }

  RawListener listener_;
  Loop loop_;
  Loop wire_;  // ends first: it may still be on its way out of a post to the other
  std::unique_ptr<Client> client_;
};

TEST_P(ClientTest, PostsAndKeepsTheConnection) {
  open(listener_.address());
  RawSocket peer;
  for (int i = 0; i < 3; ++i) {
    auto response = post("{\"value\":" + std::to_string(i) + "}");
    if (i == 0) peer = listener_.accept();
    const auto received = peer.receive_message();
    EXPECT_EQ(received.head,
              "POST /run HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(listener_.port()) +
                  "\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
                  "Content-Length: 11\r\n\r\n");
    EXPECT_EQ(received.body, "{\"value\":" + std::to_string(i) + "}");
    ASSERT_TRUE(peer.send("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\n{1}"));
    const ClientResponse result = response.get();
    EXPECT_EQ(result.exchange, Exchange::kResponse);
    EXPECT_EQ(result.status, 502);
    EXPECT_EQ(result.body, "{1}");
    EXPECT_EQ(result.length, 3u);
    EXPECT_FALSE(result.truncated);
    EXPECT_EQ(result.error, "");
  }
  EXPECT_FALSE(listener_.has_waiting());
}

TEST_P(ClientTest, SpeaksToUnixSockets) {
  TemporaryDirectory directory;
  RawListener local(directory.path("f"), 4);
  open("unix:" + directory.path("f"));
  auto response = post();
  RawSocket peer = local.accept();
  EXPECT_THAT(peer.receive_message().head, HasSubstr("\r\nHost: localhost\r\n"));
  ASSERT_TRUE(peer.send(kOk));
  EXPECT_EQ(response.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, UsesAConnectionForEachOpenExchangeAndTheLastUsedFirst) {
  open(listener_.address());
  auto first = post("1");
  RawSocket one = listener_.accept();
  auto second = post("2");
  RawSocket two = listener_.accept();
  one.receive_message();
  two.receive_message();
  ASSERT_TRUE(two.send(kOk));
  EXPECT_EQ(second.get().exchange, Exchange::kResponse);
  ASSERT_TRUE(one.send(kOk));
  EXPECT_EQ(first.get().exchange, Exchange::kResponse);
  auto third = post("3");
  EXPECT_EQ(one.receive_message().body, "3");
  ASSERT_TRUE(one.send(kOk));
  EXPECT_EQ(third.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, AStaleConnectionIsNotUsed) {
  open(listener_.address());
  for (int i = 0; i < 3; ++i) {
    auto response = post();
    RawSocket peer = listener_.accept();  // a new one each time
    peer.receive_message();
    ASSERT_TRUE(peer.send(kOk));
    EXPECT_EQ(response.get().exchange, Exchange::kResponse);
    if (i == 0) peer.close();
    if (i == 1) peer.reset_connection();
  }
}

TEST_P(ClientTest, AConnectionWithBytesNobodyAskedForIsNotUsed) {
  open(listener_.address());
  auto first = post();
  RawSocket peer = listener_.accept();
  peer.receive_message();
  ASSERT_TRUE(peer.send(kOk));
  EXPECT_EQ(first.get().exchange, Exchange::kResponse);
  ASSERT_TRUE(peer.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
  // Seen by the kernel before the next post(), as both ends are on this machine.
  auto second = post();
  RawSocket other = listener_.accept();
  other.receive_message();
  ASSERT_TRUE(other.send(kOk));
  EXPECT_EQ(second.get().status, 200);
  EXPECT_TRUE(peer.at_end());
}

TEST_P(ClientTest, NothingListeningIsConnectFailed) {
  std::uint16_t port = 0;
  { port = RawListener().port(); }
  open("tcp://127.0.0.1:" + std::to_string(port));
  const ClientResponse refused = post().get();
  EXPECT_EQ(refused.exchange, Exchange::kConnectFailed);
  EXPECT_THAT(refused.error, HasSubstr("refused"));
  TemporaryDirectory directory;
  open("unix:" + directory.path("none"));
  const ClientResponse missing = post().get();
  EXPECT_EQ(missing.exchange, Exchange::kConnectFailed);
  EXPECT_THAT(missing.error, HasSubstr("No such file"));
}

TEST_P(ClientTest, AnEndBeforeTheWholeResponseIsBroken) {
  open(listener_.address());
  for (const char* bytes :
       {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}"}) {
    const ClientResponse response = answered_with(bytes);
    EXPECT_EQ(response.exchange, Exchange::kBroken) << bytes;
    EXPECT_EQ(response.status, 0);
    EXPECT_FALSE(response.error.empty());
  }
}

TEST_P(ClientTest, AResetIsBroken) {
  open(listener_.address());
  auto response = post();
  RawSocket peer = listener_.accept();
  peer.receive_message();
  peer.reset_connection();
  EXPECT_EQ(response.get().exchange, Exchange::kBroken);
}

TEST_P(ClientTest, ReadsEveryFraming) {
  open(listener_.address());
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\n{\"\r\n4\r\na\":1\r\n1\r\n}\r\n0\r\n\r\n")
                .body,
            "{\"a\":1}");
  EXPECT_EQ(answered_with("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nOK").body, "OK");
  EXPECT_EQ(answered_with("HTTP/1.0 200 OK\r\n\r\nold").body, "old");
  const ClientResponse none = answered_with("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(none.exchange, Exchange::kResponse);
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(answered_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .body,
            "{}");
}

TEST_P(ClientTest, ReadsAResponseThatComesInPieces) {
  open(listener_.address());
  auto response = post();
  RawSocket peer = listener_.accept();
  peer.receive_message();
  for (const char byte : std::string("HTTP/1.1 100 Continue\r\n\r\n") + std::string(kOk)) {
    ASSERT_TRUE(peer.send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(response.get().body, "{}");
}

TEST_P(ClientTest, CutsALongBodyAndKeepsTheConnectionIfLittleIsLeft) {
  open(listener_.address());
  RawSocket peer;
  for (const std::string framing : {"length", "chunked"}) {
    ClientRequest cut = request("{}");
    cut.max_body_bytes = 10;
    auto response = post(std::move(cut));
    if (!peer.is_open()) peer = listener_.accept();
    ASSERT_NE(peer.receive_message().head, "");
    ASSERT_TRUE(
        peer.send(framing == "length"
                      ? "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x')
                      : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
                            std::string(1000, 'x') + "\r\n0\r\n\r\n"));
    const ClientResponse result = response.get();
    EXPECT_EQ(result.exchange, Exchange::kResponse);
    EXPECT_EQ(result.body, std::string(10, 'x'));
    EXPECT_TRUE(result.truncated);
    EXPECT_EQ(result.length, 1000u);
  }
  // And what fits exactly is not cut.
  ClientRequest exact = request("{}");
  exact.max_body_bytes = 2;
  auto response = post(std::move(exact));
  ASSERT_NE(peer.receive_message().head, "");
  ASSERT_TRUE(peer.send(kOk));
  EXPECT_FALSE(response.get().truncated);
}

TEST_P(ClientTest, DoesNotReadAnEndlessBodyToItsEnd) {
  open(listener_.address());
  ClientRequest cut = request("{}");
  cut.max_body_bytes = 1000;
  auto response = post(std::move(cut));
  RawSocket peer = listener_.accept();
  peer.receive_message();
  ASSERT_TRUE(
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n" + std::string(2000, 'x')));
  const ClientResponse known = response.get();
  EXPECT_EQ(known.body.size(), 1000u);
  EXPECT_TRUE(known.truncated);
  EXPECT_EQ(known.length, 9'000'000'000u);
  EXPECT_TRUE(peer.at_end());

  ClientRequest chunked = request("{}");
  chunked.max_body_bytes = 1000;
  response = post(std::move(chunked));
  peer = listener_.accept();
  peer.receive_message();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  while (peer.send("ffff\r\n" + std::string(0xffff, 'x') + "\r\n")) {
  }
  const ClientResponse unknown = response.get();
  EXPECT_EQ(unknown.body.size(), 1000u);
  EXPECT_TRUE(unknown.truncated);
  EXPECT_GT(unknown.length, 1000u);
}

TEST_P(ClientTest, TheDeadlineEndsAnExchange) {
  open(listener_.address());
  const auto limit = std::chrono::milliseconds(100);
  const SteadyTime start = std::chrono::steady_clock::now();
  auto silent = post(request("{}", limit));
  RawSocket peer = listener_.accept();
  EXPECT_EQ(silent.get().exchange, Exchange::kTimedOut);
  EXPECT_GE(std::chrono::steady_clock::now() - start, limit);
  peer.receive_message();
  EXPECT_TRUE(peer.at_end());
  auto halfway = post(request("{}", limit));
  peer = listener_.accept();
  peer.receive_message();
  ASSERT_TRUE(peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"));
  EXPECT_EQ(halfway.get().exchange, Exchange::kTimedOut);
  const ClientResponse passed = post(request("{}", std::chrono::milliseconds(-1))).get();
  EXPECT_EQ(passed.exchange, Exchange::kTimedOut);
  EXPECT_FALSE(listener_.has_waiting());
}

TEST_P(ClientTest, AFullBacklogIsTriedAgain) {
  TemporaryDirectory directory;
  RawListener local(directory.path("f"), 0);
  RawSocket filler = RawSocket::connect_unix(directory.path("f"));
  open("unix:" + directory.path("f"));
  EXPECT_EQ(post(request("{}", std::chrono::milliseconds(100))).get().exchange,
            Exchange::kTimedOut);
  auto response = post();
  local.accept();  // the filler: there is room again
  RawSocket peer = local.accept();
  peer.receive_message();
  ASSERT_TRUE(peer.send(kOk));
  EXPECT_EQ(response.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, SendsLargeBodiesToSlowReaders) {
  open(listener_.address());
  const std::string body(16 * 1024 * 1024, 'x');
  auto response = post(body);
  RawSocket peer = listener_.accept();
  EXPECT_EQ(response.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  EXPECT_TRUE(peer.receive_message().body == body);
  ASSERT_TRUE(peer.send(kOk));
  EXPECT_EQ(response.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, TakesAnAnswerThatComesBeforeAllIsSent) {
  open(listener_.address());
  auto response = post(std::string(16 * 1024 * 1024, 'x'));
  RawSocket peer = listener_.accept();
  peer.receive_until("\r\n\r\n");
  ASSERT_TRUE(peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(response.get().status, 413);
  // What was sent halfway cannot be used again.
  auto next = post();
  RawSocket other = listener_.accept();
  other.receive_message();
  ASSERT_TRUE(other.send(kOk));
  EXPECT_EQ(next.get().status, 200);
}

TEST_P(ClientTest, CloseIdleClosesWhatIsIdleOnly) {
  open(listener_.address());
  auto first = post("1");
  RawSocket idle = listener_.accept();
  auto second = post("2");
  RawSocket busy = listener_.accept();
  idle.receive_message();
  ASSERT_TRUE(idle.send(kOk));
  EXPECT_EQ(first.get().exchange, Exchange::kResponse);
  loop_.run([this] { client_->close_idle(); });
  EXPECT_TRUE(idle.at_end());
  busy.receive_message();
  ASSERT_TRUE(busy.send(kOk));
  EXPECT_EQ(second.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, DestroyingItBreaksWhatIsOpen) {
  open(listener_.address());
  auto response = post();
  RawSocket peer = listener_.accept();
  peer.receive_message();
  loop_.run([this] { client_.reset(); });
  const ClientResponse result = response.get();
  EXPECT_EQ(result.exchange, Exchange::kBroken);
  EXPECT_EQ(result.error, "the client was closed");
  EXPECT_TRUE(peer.at_end());
}

TEST_P(ClientTest, DestroyingItWhileItConnectsIsSafeToTryElsewhere) {
  TemporaryDirectory directory;
  RawListener local(directory.path("f"), 0);
  RawSocket filler = RawSocket::connect_unix(directory.path("f"));
  open("unix:" + directory.path("f"));
  auto response = post();
  loop_.run([this] { client_.reset(); });
  EXPECT_EQ(response.get().exchange, Exchange::kConnectFailed);
}

TEST_P(ClientTest, AHandlerMayPostAgainAndDestroyTheClient) {
  open(listener_.address());
  std::promise<void> gone;
  loop_.run([&] {
    client_->post(request("1"), [this, &gone](ClientResponse) {
      client_->post(request("2"), [this, &gone](ClientResponse) {
        client_.reset();
        gone.set_value();
      });
    });
  });
  RawSocket peer = listener_.accept();
  for (const char* body : {"1", "2"}) {
    EXPECT_EQ(peer.receive_message().body, body);
    ASSERT_TRUE(peer.send(kOk));
  }
  gone.get_future().wait();
  EXPECT_TRUE(peer.at_end());
}

TEST_P(ClientTest, ResolvesNames) {
  open("tcp://localhost:" + std::to_string(listener_.port()));
  auto first = post("1");
  auto second = post("2");
  RawSocket one = listener_.accept();
  RawSocket two = listener_.accept();
  EXPECT_THAT(one.receive_message().head,
              HasSubstr("\r\nHost: localhost:" + std::to_string(listener_.port()) + "\r\n"));
  ASSERT_TRUE(one.send(kOk));
  ASSERT_TRUE(two.send(kOk));
  EXPECT_EQ(first.get().exchange, Exchange::kResponse);
  EXPECT_EQ(second.get().exchange, Exchange::kResponse);
}

TEST_P(ClientTest, UnknownNamesAreConnectFailed) {
  open("tcp://name.invalid:80");
  const ClientResponse response = post().get();
  EXPECT_EQ(response.exchange, Exchange::kConnectFailed);
  EXPECT_THAT(response.error, HasSubstr("'name.invalid' cannot be resolved"));
}

TEST_P(ClientTest, RefusesBadAddressesAndPaths) {
  for (const char* address : {"", "127.0.0.1:80", "tcp://", "tcp://127.0.0.1", "tcp://h:port",
                              "tcp://a/b:80", "http://h:80", "unix:", "tcp://a\r\nX:80"}) {
    EXPECT_EQ(Client::open(loop_.io(), address).error().code(), StatusCode::kInvalidArgument)
        << address;
  }
  open(listener_.address());
  for (const char* path : {"", "run", "/a b", "/a\r\nX: y", "/a#b"}) {
    ClientRequest bad = request("{}");
    bad.path = path;
    EXPECT_EQ(post(std::move(bad)).get().exchange, Exchange::kConnectFailed) << path;
  }
  EXPECT_FALSE(listener_.has_waiting());
}

TEST(ClientLoop, IdleConnectionsDoNotKeepItRunning) {
  RawListener listener;
  boost::asio::io_context io(1);
  auto client = Client::open(io, listener.address());
  ASSERT_TRUE(client);
  std::thread peer([&listener] {
    RawSocket socket = listener.accept();
    socket.receive_message();
    socket.send(kOk);
    EXPECT_TRUE(socket.at_end());
  });
  Exchange outcome = Exchange::kBroken;
  ClientRequest request;
  request.path = "/run";
  request.body = "{}";
  request.deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  (*client)->post(std::move(request),
                  [&outcome](ClientResponse response) { outcome = response.exchange; });
  io.run();
  EXPECT_EQ(outcome, Exchange::kResponse);
  client->reset();
  peer.join();
}

INSTANTIATE_TEST_SUITE_P(Wire, ClientTest, ::testing::Bool(), [](const auto& wire) {
  return wire.param ? std::string("Another") : std::string("Own");
});

}  // namespace
}  // namespace berth::http::testing
