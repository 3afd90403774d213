// SPDX-License-Identifier: Apache-2.0
// The server as its clients see it, on real sockets.
#include "http/server.hpp"

#include <boost/asio/post.hpp>

#include "server_fixture.hpp"

namespace berth::http::testing {
namespace {

using ::testing::UnorderedElementsAre;

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawSocket client = connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
    const auto reply = client.receive_message();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /a?b=c hi");
    EXPECT_EQ(reply.field("content-type"), "text/plain");
    EXPECT_EQ(reply.field("connection"), "");
  }
  EXPECT_EQ(connections(), 1u);
  client.close();
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, ClosesWhenTheClientAsksForIt) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  EXPECT_EQ(client.receive_message().field("connection"), "close");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, Http10ClosesUnlessItAsksToBeKept) {
  start();
  RawSocket once = connect();
  ASSERT_TRUE(once.send("GET /a HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(once.receive_message().status, 200);
  EXPECT_TRUE(once.at_end());
  RawSocket kept = connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_EQ(kept.receive_message().field("connection"), "keep-alive");
  }
}

TEST_F(ServerTest, TakesRequestsByteByByte) {
  start();
  RawSocket client = connect();
  for (const char byte :
       std::string("PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n")) {
    ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.receive_message().body, "PUT /x abcde");
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawSocket client = connect();
  std::string many;
  for (int i = 0; i < 1000; ++i) {
    many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  ASSERT_TRUE(client.send(many));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(client.receive_message().body, "GET /" + std::to_string(i) + " ");
  }
}

TEST_F(ServerTest, HandlesPipelinedRequestsOneAtATime) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(
      client.send("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
                  "POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo"
                  "GET /three HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(wait_for_held(1));
  // More comes while it is handled: it waits, and the views stay what they are.
  ASSERT_TRUE(client.send("GET /four HTTP/1.1\r\nHost: h\r\n\r\n"));
  loop_.run([this] {
    EXPECT_EQ(handled_, 1);
    EXPECT_EQ(held_.front().request.body, "one");
    EXPECT_EQ(held_.front().request.header("HOST"), "h");
  });
  release("1");
  ASSERT_TRUE(wait_for_held(1));
  loop_.run([this] { EXPECT_EQ(held_.front().request.body, "two"); });
  release("2");
  for (const char* body : {"1", "2", "GET /three ", "GET /four "}) {
    EXPECT_EQ(client.receive_message().body, body);
  }
}

TEST_F(ServerTest, SendsLargeBodiesBothWays) {
  start();
  const std::string body(20 * 1024 * 1024, 'x');
  RawSocket client = connect();
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
  ASSERT_TRUE(client.send(body));
  EXPECT_TRUE(client.receive_message().body == "POST / " + body);
  ASSERT_TRUE(
      client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message().body.size(), kBig);
  EXPECT_EQ(client.receive_message().body, "GET /next ");
}

TEST_F(ServerTest, HeadHasALengthAndNoBody) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(
      client.send("HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message(true).field("content-length"), "10");
  EXPECT_EQ(client.receive_message().body, "GET /d ");
}

TEST_F(ServerTest, ContinuesWhenAsked) {
  start();
  RawSocket client = connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(client.send(
        "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.send("ok"));
    EXPECT_EQ(client.receive_message().body, "PUT /x ok");
  }
  // Whoever sent the body already needs no permission.
  ASSERT_TRUE(client.send(
      "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\no"));
  ASSERT_TRUE(client.send("k"));
  EXPECT_EQ(client.receive_message().status, 200);
}

TEST_F(ServerTest, DoesNotContinueWhatItWouldRefuse) {
  ServerOptions options;
  options.max_body_bytes = 10;
  start(options);
  EXPECT_EQ(
      ask("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n").status,
      413);
  EXPECT_EQ(ask("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: tea\r\n\r\n").status,
            417);
  EXPECT_EQ(ask("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: tea\r\n\r\nx").status,
            417);
}

TEST_F(ServerTest, RefusesWhatIsMalformedAndCloses) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(
      client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost : h\r\n\r\n"
                  "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message().status, 200);
  const auto refusal = client.receive_message();
  EXPECT_EQ(refusal.status, 400);
  EXPECT_EQ(refusal.body, "error Bad Request");
  EXPECT_EQ(refusal.field("connection"), "close");
  EXPECT_TRUE(client.at_end());
  loop_.run([this] { EXPECT_EQ(handled_, 1); });
  EXPECT_EQ(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n").status, 501);
}

TEST_F(ServerTest, RefusesWhatIsTooLarge) {
  ServerOptions options;
  options.max_header_bytes = 2000;
  options.max_target_bytes = 100;
  options.max_body_bytes = 1000;
  start(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(ask("GET /" + std::string(200, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n").status, 414);
  EXPECT_EQ(ask(head + "X: " + std::string(3000, 'a')).status, 431);
  EXPECT_EQ(ask(head + "Content-Length: 1001\r\n\r\n").status, 413);
  EXPECT_EQ(ask(head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n").status, 413);
  EXPECT_EQ(ask(head + "Content-Length: 1000\r\n\r\n" + std::string(1000, 'x')).status, 200);
}

TEST_F(ServerTest, ARefusalReachesAClientThatIsStillSending) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  start(options);
  RawSocket client = connect();
  const std::string body(4 * 1024 * 1024, 'x');
  ASSERT_TRUE(client.send(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n"));
  // Closing at once would reset the connection under all this, and the reply would be lost.
  EXPECT_TRUE(client.send(body));
  EXPECT_EQ(client.receive_message().status, 413);
  EXPECT_TRUE(client.at_end());
  client.close();
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, AnUnusedResponderAnswers500) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(client.send("GET /drop HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message().status, 500);
  ASSERT_TRUE(client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(wait_for_held(1));
  loop_.run([this] { held_.front().responder = Responder(); });
  EXPECT_EQ(client.receive_message().body, "error Internal Server Error");
}

TEST_F(ServerTest, AClientMayEndItsSideAndWait) {
  start();
  RawSocket client = connect();
  ASSERT_TRUE(
      client.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
  client.end_sending();
  ASSERT_TRUE(wait_for_held(1));
  release("a");
  EXPECT_EQ(client.receive_message().body, "a");
  EXPECT_EQ(client.receive_message().body, "GET /b ");
  EXPECT_TRUE(client.at_end());
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, NoticesAClientThatIsGoneWhileItWaits) {
  start();
  TemporaryDirectory directory;
  loop_.run([&] { EXPECT_TRUE(server_->listen_unix(directory.path("s")).ok()); });
  RawSocket local = RawSocket::connect_unix(directory.path("s"));
  ASSERT_TRUE(local.send("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"));
  RawSocket remote = connect();
  ASSERT_TRUE(remote.send("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo"));
  RawSocket pipelining = connect();
  ASSERT_TRUE(pipelining.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(wait_for_held(3));
  ASSERT_TRUE(pipelining.send("GET /more HTTP/1.1\r\nHost: h\r\n\r\n"));
  local.close();
  remote.reset_connection();
  pipelining.reset_connection();
  EXPECT_TRUE(wait_for_connections(0));
  // The handler still owns its views, and its reply goes nowhere.
  loop_.run([this] {
    std::vector<std::string> bodies;
    for (const Held& held : held_) bodies.emplace_back(held.request.body);
    EXPECT_THAT(bodies, UnorderedElementsAre("one", "two", ""));
  });
  for (int i = 0; i < 3; ++i) release("late");
  EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, RepliesToAClientThatLeftDoNoHarm) {
  start();
  for (int i = 0; i < 20; ++i) {
    RawSocket client = connect();
    ASSERT_TRUE(client.send("GET /big HTTP/1.1\r\nHost: h\r\n\r\n"));
    if (i % 2 == 0) {
      client.close();
    } else {
      client.reset_connection();
    }
  }
  EXPECT_TRUE(wait_for_connections(0));
  EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, DrainFinishesWhatIsBusyAndClosesWhatIsIdle) {
  start();
  RawSocket idle = connect();
  RawSocket busy = connect();
  RawSocket halfway = connect();
  ASSERT_TRUE(busy.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"));
  ASSERT_TRUE(halfway.send("GET /half HTTP/1.1\r\nHost:"));
  ASSERT_TRUE(wait_for_held(1));
  ASSERT_TRUE(wait_for_connections(3));
  const std::uint16_t port = server_->port();
  loop_.run([this] { server_->drain(); });
  EXPECT_TRUE(idle.at_end());
  EXPECT_FALSE(RawSocket::connect_tcp(port).is_open());
  release("done");
  const auto reply = busy.receive_message();
  EXPECT_EQ(reply.body, "done");
  EXPECT_EQ(reply.field("connection"), "close");
  EXPECT_TRUE(busy.at_end());
  ASSERT_TRUE(halfway.send(" h\r\n\r\n"));
  EXPECT_EQ(halfway.receive_message().field("connection"), "close");
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, DrainAnswersWhatWasSentBefore) {
  start();
  RawSocket client = connect();
  // In one task: the requests are in the kernel when drain() is called, unseen by the server.
  loop_.run([&] {
    RawSocket late = connect();
    ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
    ASSERT_TRUE(late.send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n"));
    server_->drain();
    EXPECT_EQ(late.receive_message().body, "GET /b ");
  });
  EXPECT_EQ(client.receive_message().body, "GET /a ");
  EXPECT_TRUE(client.at_end());
}

TEST_F(ServerTest, CloseClosesEverythingAtOnce) {
  start();
  RawSocket idle = connect();
  RawSocket busy = connect();
  ASSERT_TRUE(busy.send("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
  ASSERT_TRUE(wait_for_held(1));
  loop_.run([this] { server_->close(); });
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(busy.at_end());
  EXPECT_EQ(connections(), 0u);
  loop_.run([this] { EXPECT_EQ(held_.front().request.body, "hi"); });
  release("late");
}

TEST_F(ServerTest, RespondersMayOutliveTheServer) {
  start();
  RawSocket busy = connect();
  ASSERT_TRUE(busy.send("POST /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
  ASSERT_TRUE(wait_for_held(1));
  loop_.run([this] { server_.reset(); });
  EXPECT_TRUE(busy.at_end());
  loop_.run([this] { EXPECT_EQ(held_.front().request.body, "hi"); });
  release("late");
}

TEST_F(ServerTest, AHandlerMayCloseTheServer) {
  Loop loop;
  std::unique_ptr<Server> server;
  loop.run([&] {
    server = std::make_unique<Server>(
        loop.io(), ServerOptions(), [&server](const Request&, Responder) { server->close(); },
        [](int status, std::string_view) {
          Response response;
          response.status = status;
          return response;
        });
    EXPECT_TRUE(server->listen_tcp("127.0.0.1:0").ok());
  });
  RawSocket client = RawSocket::connect_tcp(server->port());
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_TRUE(client.at_end());
  loop.run([&server] { server.reset(); });
}

}  // namespace
}  // namespace berth::http::testing
