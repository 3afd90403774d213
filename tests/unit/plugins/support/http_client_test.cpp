// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <optional>
#include <stdlib.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "http_server.hpp"
#include "support/event_loop.hpp"
#include "support/http/client.hpp"
#include "test_pki.hpp"

namespace berth::support::http {
namespace {

using berth::testing::HttpServer;
using berth::testing::ServerReply;
using berth::testing::ServerRequest;
using berth::testing::ServerTls;
using berth::testing::TestPki;
using namespace std::chrono_literals;

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() {
    char name[] = "/tmp/bhc-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~HttpClientTest() override {
    loop_.stop();
    client_.reset();
    std::filesystem::remove_all(directory_);
  }

  void connect(Endpoint endpoint) {
    // Where the one before lives.
    on_loop([&] { client_ = std::make_unique<Client>(loop_.context(), std::move(endpoint)); });
  }
  void connect_to(const HttpServer& server) {
    connect({.base_url = "http://127.0.0.1:" + std::to_string(server.port()), .unix_socket = ""});
  }
  Reply fetch(Request request) {
    return boost::asio::co_spawn(loop_.context(), client_->fetch(std::move(request)),
                                 boost::asio::use_future)
        .get();
  }
  // Calls `f` on the loop's thread and waits for it.
  template <typename F>
  void on_loop(F f) {
    std::promise<void> done;
    loop_.post([&] {
      f();
      done.set_value();
    });
    done.get_future().get();
  }

  std::string directory_;
  EventLoop loop_{"http-test"};
  std::unique_ptr<Client> client_;
};

void echo(const ServerRequest& request, ServerReply& reply) {
  reply.send(200, request.method + " " + request.target + " " + request.body, "X-Odd:  yes\r\n");
}

TEST_F(HttpClientTest, SpeaksOverAUnixSocketAndKeepsTheConnection) {
  HttpServer server(echo, directory_ + "/s");
  connect({.base_url = "http://engine", .unix_socket = directory_ + "/s"});
  for (int i = 0; i < 3; ++i) {
    const Reply reply = fetch({.method = "POST", .target = "/a?b=c", .body = "text"});
    ASSERT_TRUE(reply.status.ok()) << reply.status.to_string();
    EXPECT_EQ(reply.response.code, 200);
    EXPECT_EQ(reply.response.body, "POST /a?b=c text");
    EXPECT_EQ(reply.response.header("x-odd"), "yes");
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(HttpClientTest, SendsMethodsHeadersAndEmptyBodies) {
  HttpServer server([](const ServerRequest& request, ServerReply& reply) {
    const auto length = request.headers.find("content-length");
    reply.send(200, request.method + "|" +
                        (length == request.headers.end() ? "none" : length->second) + "|" +
                        (request.headers.count("content-type") ? "typed" : "untyped") + "|" +
                        (request.headers.count("x-a") ? request.headers.at("x-a") : ""));
  });
  connect_to(server);
  EXPECT_EQ(fetch({.method = "DELETE", .headers = {"X-A: 1"}}).response.body,
            "DELETE|none|untyped|1");
  EXPECT_EQ(fetch({.method = "POST"}).response.body, "POST|0|untyped|");
  EXPECT_EQ(
      fetch({.method = "PUT", .headers = {"Content-Type: text/x"}, .body = "abc"}).response.body,
      "PUT|3|typed|");
}

TEST_F(HttpClientTest, DoesNotTimeTheWaitForAConnectionIfToldSo) {
  std::promise<void> arrived, release;
  HttpServer server([&](const ServerRequest& request, ServerReply& reply) {
    if (request.target == "/first") {
      arrived.set_value();
      release.get_future().wait();
    }
    reply.send(200, request.target);
  });
  connect({.base_url = "http://127.0.0.1:" + std::to_string(server.port()),
           .unix_socket = "",
           .max_connections = 1});
  auto first = boost::asio::co_spawn(loop_.context(), client_->fetch({.target = "/first"}),
                                     boost::asio::use_future);
  arrived.get_future().wait();
  auto second = boost::asio::co_spawn(
      loop_.context(),
      client_->fetch({.target = "/second", .timeout = 1'000ms, .queues_untimed = true}),
      boost::asio::use_future);
  // Longer than its time-out, which has not begun.
  EXPECT_EQ(second.wait_for(1'500ms), std::future_status::timeout);
  release.set_value();
  EXPECT_EQ(first.get().response.body, "/first");
  const Reply reply = second.get();
  EXPECT_TRUE(reply.status.ok()) << reply.status.to_string();
  EXPECT_EQ(reply.response.body, "/second");
}

TEST_F(HttpClientTest, CancelsWhatWaitsForAConnection) {
  std::promise<void> arrived, release;
  HttpServer server([&](const ServerRequest& request, ServerReply& reply) {
    arrived.set_value();
    release.get_future().wait();
    reply.send(200, request.target);
  });
  connect({.base_url = "http://127.0.0.1:" + std::to_string(server.port()),
           .unix_socket = "",
           .max_connections = 1});
  const auto begin = [&](const char* target) {
    return boost::asio::co_spawn(loop_.context(),
                                 client_->fetch({.target = target, .queues_untimed = true}),
                                 boost::asio::use_future);
  };
  auto first = begin("/first");
  arrived.get_future().wait();
  auto second = begin("/second"), third = begin("/third");
  on_loop([] {});  // both have begun to wait, or are about to
  std::promise<Reply> fourth;
  on_loop([&] {
    client_->send({.target = "/fourth", .queues_untimed = true},
                  [&](Reply reply) { fourth.set_value(std::move(reply)); });
    client_->cancel_waiting();
  });
  EXPECT_EQ(second.get().status.code(), sdk::StatusCode::kCancelled);
  EXPECT_EQ(third.get().status.code(), sdk::StatusCode::kCancelled);
  EXPECT_EQ(fourth.get_future().get().status.code(), sdk::StatusCode::kCancelled);
  release.set_value();
  EXPECT_EQ(first.get().response.body, "/first");
}

TEST_F(HttpClientTest, StreamsAResponse) {
  std::promise<void> seen_first;
  HttpServer server([&](const ServerRequest&, ServerReply& reply) {
    reply.begin(200);
    reply.chunk("one");
    seen_first.get_future().wait();  // the client had it before the rest was sent
    reply.chunk("two");
    reply.end();
  });
  connect_to(server);
  std::string got;
  int code = 0;
  const Reply reply = fetch({.on_headers = [&](int c) { code = c; },
                             .on_data =
                                 [&](std::string_view data) {
                                   if (got.empty()) seen_first.set_value();
                                   got += data;
                                   return true;
                                 }});
  EXPECT_TRUE(reply.status.ok());
  EXPECT_EQ(code, 200);
  EXPECT_EQ(got, "onetwo");
  EXPECT_EQ(reply.response.body, "");
}

TEST_F(HttpClientTest, GathersAnErrorsBodyThoughItStreams) {
  HttpServer server([](const ServerRequest&, ServerReply& reply) { reply.send(404, "no such"); });
  connect_to(server);
  const Reply reply = fetch({.on_data = [](std::string_view) { return true; }});
  EXPECT_EQ(reply.response.code, 404);
  EXPECT_EQ(reply.response.body, "no such");
}

TEST_F(HttpClientTest, EndsAStreamThatTheCallerHasEnoughOf) {
  HttpServer server([](const ServerRequest&, ServerReply& reply) {
    reply.begin(200);
    reply.chunk("x");
    reply.client_stays(60);
  });
  connect_to(server);
  const Reply reply = fetch({.on_data = [](std::string_view) { return false; }});
  EXPECT_EQ(reply.status.code(), sdk::StatusCode::kCancelled);
}

TEST_F(HttpClientTest, StreamsABodyWithPauses) {
  HttpServer server(echo);
  connect_to(server);
  std::promise<Reply> answer;
  int asked = 0;
  std::uint64_t id = 0;
  on_loop([&] {
    id = client_->send({.method = "POST",
                        .on_upload = [&](char* to, std::size_t room) -> std::ptrdiff_t {
                          EXPECT_GE(room, 5u);
                          switch (++asked) {
                            case 1: std::copy_n("first", 5, to); return 5;
                            case 2: loop_.post([&] { client_->go_on(id); }); return kLater;
                            case 3: std::copy_n("then", 4, to); return 4;
                            default: return 0;
                          }
                        }},
                       [&](Reply reply) { answer.set_value(std::move(reply)); });
  });
  const Reply reply = answer.get_future().get();
  EXPECT_TRUE(reply.status.ok()) << reply.status.to_string();
  EXPECT_EQ(reply.response.body, "POST / firstthen");
}

TEST_F(HttpClientTest, EndsAnUploadThatIsGivenUp) {
  HttpServer server(echo);
  connect_to(server);
  const Reply reply =
      fetch({.method = "POST", .on_upload = [](char*, std::size_t) { return kGiveUp; }});
  EXPECT_EQ(reply.status.code(), sdk::StatusCode::kCancelled);
}

TEST_F(HttpClientTest, LimitsTheBody) {
  HttpServer server(
      [](const ServerRequest&, ServerReply& reply) { reply.send(200, std::string(1001, 'x')); });
  connect_to(server);
  EXPECT_TRUE(fetch({.max_response_bytes = 1001}).status.ok());
  EXPECT_EQ(fetch({.max_response_bytes = 1000}).status.code(), sdk::StatusCode::kResourceExhausted);
}

TEST_F(HttpClientTest, TimesOutAndIsCancelled) {
  HttpServer server([](const ServerRequest& request, ServerReply& reply) {
    if (request.target == "/first") {
      reply.send(200, "");
    } else {
      reply.client_stays(60);
    }
  });
  connect_to(server);
  // On a connection that is there: one that does not come to be in time is another failure.
  EXPECT_TRUE(fetch({.target = "/first"}).status.ok());
  EXPECT_EQ(fetch({.timeout = 300ms}).status.code(), sdk::StatusCode::kDeadlineExceeded);

  std::promise<Reply> answer;
  on_loop([&] {
    const std::uint64_t id =
        client_->send({.timeout = 0ms}, [&](Reply reply) { answer.set_value(std::move(reply)); });
    loop_.post([this, id] { client_->cancel(id); });
  });
  EXPECT_EQ(answer.get_future().get().status.code(), sdk::StatusCode::kCancelled);
  on_loop([&] {
    client_->cancel(999);
    EXPECT_EQ(client_->in_flight(), 0u);
  });
}

TEST_F(HttpClientTest, SaysUnavailableWhenNobodyListensOrTheConnectionBreaks) {
  connect({.base_url = "http://engine", .unix_socket = directory_ + "/nobody"});
  const Reply refused = fetch({});
  EXPECT_EQ(refused.status.code(), sdk::StatusCode::kUnavailable);
  EXPECT_TRUE(refused.status.retryable());

  HttpServer server([](const ServerRequest&, ServerReply& reply) {
    reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    reply.close();
  });
  connect_to(server);
  EXPECT_EQ(fetch({}).status.code(), sdk::StatusCode::kUnavailable);
}

TEST_F(HttpClientTest, SendsAgainOnAKeptConnectionThatWasClosed) {
  HttpServer server([](const ServerRequest&, ServerReply& reply) {
    reply.send(200, "x");
    reply.close();
  });
  connect_to(server);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(fetch({}).status.ok());
}

TEST_F(HttpClientTest, RefusesATargetThatIsNoUrl) {
  connect({.base_url = "ftp://127.0.0.1", .unix_socket = ""});
  EXPECT_EQ(fetch({}).status.code(), sdk::StatusCode::kInvalidArgument);
}

TEST_F(HttpClientTest, RunsManyAtOnceWithinItsConnections) {
  HttpServer server(echo);
  connect({.base_url = "http://127.0.0.1:" + std::to_string(server.port()),
           .unix_socket = "",
           .max_connections = 4});
  std::vector<std::future<Reply>> replies;
  for (int i = 0; i < 200; ++i) {
    replies.push_back(boost::asio::co_spawn(loop_.context(),
                                            client_->fetch({.target = "/" + std::to_string(i)}),
                                            boost::asio::use_future));
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(replies[static_cast<std::size_t>(i)].get().response.body,
              "GET /" + std::to_string(i) + " ");
  }
  EXPECT_LE(server.connections(), 4u);
}

TEST_F(HttpClientTest, DropsWhatIsInFlightWhenItGoes) {
  std::atomic<int> waiting{0};
  HttpServer server([&](const ServerRequest&, ServerReply& reply) {
    ++waiting;
    reply.client_stays(60);
  });
  connect_to(server);
  on_loop([&] {
    for (int i = 0; i < 3; ++i) client_->send({}, [](Reply) { FAIL() << "called"; });
  });
  while (waiting < 3) std::this_thread::sleep_for(1ms);
  on_loop([&] { client_.reset(); });
}

class HttpClientTlsTest : public HttpClientTest {
 protected:
  Endpoint endpoint(const HttpServer& server) const {
    Endpoint endpoint;
    endpoint.base_url = "https://127.0.0.1:" + std::to_string(server.port());
    endpoint.tls.ca_file = pki_.ca;
    return endpoint;
  }
  const TestPki pki_{directory_, "engine.test"};
};

TEST_F(HttpClientTlsTest, ChecksTheServersNameAndAuthority) {
  const ServerTls tls{pki_.server_certificate, pki_.server_key, ""};
  HttpServer server(echo, "", &tls);
  connect(endpoint(server));
  // The certificate is for engine.test, not for the address.
  EXPECT_EQ(fetch({}).status.code(), sdk::StatusCode::kPermissionDenied);

  Endpoint named = endpoint(server);
  named.tls.server_name = "engine.test";
  connect(named);
  const Reply reply = fetch({.target = "/x"});
  ASSERT_TRUE(reply.status.ok()) << reply.status.to_string();
  EXPECT_EQ(reply.response.body, "GET /x ");

  named.tls.ca_file = "";  // the system's authorities do not know ours
  connect(named);
  EXPECT_EQ(fetch({}).status.code(), sdk::StatusCode::kPermissionDenied);

  Endpoint unchecked = endpoint(server);
  unchecked.tls.verify_peer = false;
  connect(unchecked);
  EXPECT_TRUE(fetch({}).status.ok());

  Endpoint missing = endpoint(server);
  missing.tls.ca_file = directory_ + "/none.pem";
  connect(missing);
  EXPECT_EQ(fetch({}).status.code(), sdk::StatusCode::kInvalidArgument);
}

TEST_F(HttpClientTlsTest, ShowsItsCertificate) {
  const ServerTls tls{pki_.server_certificate, pki_.server_key, pki_.ca};
  HttpServer server(echo, "", &tls);
  Endpoint known = endpoint(server);
  known.tls.server_name = "engine.test";
  connect(known);
  EXPECT_FALSE(fetch({}).status.ok());
  known.tls.certificate_file = pki_.client_certificate;
  known.tls.key_file = pki_.client_key;
  connect(known);
  const Reply reply = fetch({});
  EXPECT_TRUE(reply.status.ok()) << reply.status.to_string();
}

// A server that is lost is unavailable, however far the connection came.
TEST_F(HttpClientTlsTest, SaysUnavailableWhenTheHandshakeIsNotAnswered) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size), 0);
  Endpoint silent;
  silent.base_url = "https://127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  connect(silent);
  // The kernel accepts, nobody speaks.
  Reply reply = fetch({.connect_timeout = 100ms});
  EXPECT_EQ(reply.status.code(), sdk::StatusCode::kUnavailable) << reply.status.to_string();
  EXPECT_TRUE(reply.status.retryable());
  reply = fetch({.timeout = 100ms});
  EXPECT_EQ(reply.status.code(), sdk::StatusCode::kUnavailable) << reply.status.to_string();

  std::thread closes([listener] {
    for (int fd; (fd = ::accept(listener, nullptr, nullptr)) >= 0;) ::close(fd);
  });
  connect(silent);
  reply = fetch({});
  EXPECT_EQ(reply.status.code(), sdk::StatusCode::kUnavailable) << reply.status.to_string();
  ::shutdown(listener, SHUT_RDWR);
  closes.join();
  ::close(listener);
}

TEST(HttpEscape, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(escape("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(escape("a/b c\xc3\xa9"), "a%2Fb%20c%C3%A9");
}

}  // namespace
}  // namespace berth::support::http
