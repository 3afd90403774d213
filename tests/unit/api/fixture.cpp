// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <future>

namespace berth::api {
namespace {

constexpr std::string_view kManifest = R"({"runtimes": {
  "python": [{"kind": "python:3.11", "default": true, "image": {"prefix": "berth", "name": "python"}}],
  "nodejs": [{"kind": "nodejs:10", "deprecated": true, "image": {"prefix": "berth", "name": "old"}},
             {"kind": "nodejs:20", "default": true, "image": {"prefix": "berth", "name": "node"}}],
  "java": [{"kind": "java:8", "requireMain": true, "image": {"prefix": "berth", "name": "java"}}],
  "native": [{"kind": "native:1", "default": true, "image": {"prefix": "berth", "name": "native"}}]},
  "blackboxes": []})";

// A server must answer long before this; it only keeps a broken one from hanging the suite.
constexpr std::chrono::seconds kPatience{60};

}  // namespace

const std::string ApiTest::kGuest = "11111111-2222-4333-8444-555555555555:guest-secret";
const std::string ApiTest::kOther = "66666666-7777-4888-8999-000000000000:other-secret";

ApiTest::ApiTest() {
  auto parsed = entity::RuntimesManifest::parse(kManifest);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().to_string();
  if (parsed) runtimes = std::move(*parsed);
}

ApiTest::~ApiTest() {
  if (!thread_.joinable()) return;
  on_server([this] {
    server.reset();
    api.reset();
  });
  io.stop();
  thread_.join();
}

std::unique_ptr<Api> ApiTest::make_api() {
  return std::make_unique<Api>(Dependencies{.io = io,
                                            .entities = entities,
                                            .activations = activations,
                                            .auth = auth,
                                            .intake = invoker,
                                            .logs = logs,
                                            .runtimes = runtimes,
                                            .metrics = metrics,
                                            .clock = system_clock(),
                                            .limits = bounds,
                                            .throttles = throttles,
                                            .build = {"0.1.0", "2026-01-02"},
                                            .not_ready = [this] { return not_ready; },
                                            .address = {},
                                            .tallies = tallies});
}

std::unique_ptr<http::Server> ApiTest::serve(Api& served) {
  auto made = std::make_unique<http::Server>(
      io, http::ServerOptions{},
      [&served](const http::Request& asked, http::Responder responder) {
        served.handle(asked, std::move(responder));
      },
      server_error);
  const Status listening = made->listen_tcp("127.0.0.1:0");
  EXPECT_TRUE(listening.ok()) << listening.to_string();
  return made;
}

void ApiTest::start() {
  api = make_api();
  server = serve(*api);
  thread_ = std::thread([this] {
    const auto work = boost::asio::make_work_guard(io);
    io.run();
  });
}

void ApiTest::on_server(const std::function<void()>& work) {
  std::promise<void> done;
  boost::asio::post(io, [&] {
    work();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
}

Reply ApiTest::request(const std::string& method, const std::string& target, const Headers& headers,
                       const std::string& body) {
  if (!server) start();
  return ask(server->port(), method, target, headers, body);
}

namespace {

Headers with_defaults(Headers headers, const std::string& key, bool has_body) {
  const auto missing = [&headers](const std::string& name) {
    for (const auto& [known, value] : headers) {
      if (known == name) return false;
    }
    return true;
  };
  if (missing("Authorization")) headers.emplace_back("Authorization", basic(key));
  if (has_body && missing("Content-Type")) {
    headers.emplace_back("Content-Type", "application/json");
  }
  return headers;
}

}  // namespace

Reply ApiTest::get(const std::string& target, const Headers& headers) {
  return request("GET", target, with_defaults(headers, kGuest, false));
}
Reply ApiTest::put(const std::string& target, const std::string& body, const Headers& headers) {
  return request("PUT", target, with_defaults(headers, kGuest, true), body);
}
Reply ApiTest::post(const std::string& target, const std::string& body, const Headers& headers) {
  return request("POST", target, with_defaults(headers, kGuest, !body.empty()), body);
}
Reply ApiTest::remove(const std::string& target) {
  return request("DELETE", target, with_defaults({}, kGuest, false));
}

void ApiTest::create(const std::string& name, const std::string& more_members) {
  const Reply reply =
      put("/api/v1/namespaces/_/actions/" + name,
          R"({"exec":{"kind":"nodejs:default","code":"function main(){}"})" + more_members + "}");
  ASSERT_EQ(reply.status, 200) << reply.body;
}

}  // namespace berth::api
