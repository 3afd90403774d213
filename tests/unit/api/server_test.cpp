// SPDX-License-Identifier: Apache-2.0
// What every request meets: authentication, methods, content types, headers, info and health.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/ids.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kActions = "/api/v1/namespaces/_/actions";

using ServerTest = ApiTest;

TEST_F(ServerTest, WantsAuthentication) {
  const Reply none = request("GET", kActions, {});
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.header("www-authenticate"), "Basic realm=\"OpenWhisk secure realm\"");
  EXPECT_EQ(none.error(),
            "The resource requires authentication, which was not supplied with the request");
  for (const std::string& value :
       {basic("11111111-2222-4333-8444-555555555555:wrong"), basic("no-uuid:guest-secret"),
        basic("99999999-2222-4333-8444-555555555555:guest-secret"), std::string("Basic %%%"),
        std::string("Bearer token")}) {
    const Reply reply = get(kActions, {{"Authorization", value}});
    EXPECT_EQ(reply.status, 401) << value;
    EXPECT_EQ(reply.error(), "The supplied authentication is invalid") << value;
  }
  EXPECT_EQ(get(kActions).status, 200);
}

TEST_F(ServerTest, KeepsNamespacesApart) {
  create("hello");
  const Headers other = {{"Authorization", basic(kOther)}};
  EXPECT_EQ(get("/api/v1/namespaces", other).body, R"(["other"])");
  const Reply foreign = get("/api/v1/namespaces/guest/actions/hello", other);
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(foreign.error(),
            "The supplied authentication is not authorized to access 'guest/hello'.");
  const Reply list = get("/api/v1/namespaces/guest/actions", other);
  EXPECT_EQ(list.status, 403);
  EXPECT_EQ(list.error(), "The supplied authentication is not authorized to access this resource.");
  EXPECT_EQ(post("/api/v1/namespaces/guest/actions/hello", "", other).status, 403);
  EXPECT_EQ(get("/api/v1/namespaces/guest/actions/hello").status, 200);
  EXPECT_EQ(get(kActions + "/hello", other).status, 404);
}

TEST_F(ServerTest, EveryErrorHasItsTransaction) {
  const Reply reply = get(kActions + "/nope", {{"X-Request-ID", "my-request_1"}});
  EXPECT_EQ(reply.header("x-request-id"), "my-request_1");
  EXPECT_EQ(reply.json().at("code"), "my-request_1");
  EXPECT_EQ(reply.header("content-type"), "application/json");
  // What a client may not choose.
  for (const std::string& id : {std::string("sid_1"), std::string("a b"), std::string(200, 'a')}) {
    const Reply other = get(kActions, {{"X-Request-ID", id}});
    EXPECT_NE(other.header("x-request-id"), id);
    EXPECT_EQ(other.header("x-request-id").size(), 32u);
  }
}

TEST_F(ServerTest, RefusesOtherMethodsAndPaths) {
  const Reply method = post(kActions, "{}");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("allow"), "GET");
  EXPECT_EQ(method.error(), "HTTP method not allowed, supported methods: GET");
  EXPECT_EQ(request("PATCH", kActions + "/a", {}).status, 405);
  EXPECT_EQ(request("HEAD", "/ping", {}).status, 405);
  EXPECT_EQ(request("POST", "/api/v1/namespaces/_/activations", {}).status, 405);
  const Reply path = get("/api/v1/nothing");
  EXPECT_EQ(path.status, 404);
  EXPECT_EQ(path.error(), "The requested resource does not exist.");
}

TEST_F(ServerTest, WantsJsonBodies) {
  create("hello");
  const Headers text = {{"Content-Type", "text/plain"}};
  const Reply refused = put(kActions + "/x", "{}", text);
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.error(),
            "The request's Content-Type is not supported. Expected:\napplication/json");
  EXPECT_EQ(post(kActions + "/hello", "{}", text).status, 415);
  EXPECT_EQ(post(kActions + "/hello", "{}", {{"Content-Type", "application/x-www-form-urlencoded"}})
                .status,
            415);
  EXPECT_EQ(
      post(kActions + "/hello", "{}", {{"Content-Type", "Application/JSON; charset=utf-8"}}).status,
      202);
  EXPECT_EQ(post(kActions + "/hello").status, 202);  // no body, no type
}

TEST_F(ServerTest, AnswersCrossOriginRequests) {
  const Reply preflight = request("OPTIONS", kActions + "/hello", {{"Origin", "http://x"}});
  EXPECT_EQ(preflight.status, 200);
  for (const Reply& reply :
       {preflight, get(kActions), get(kActions + "/nope"), request("GET", kActions, {})}) {
    EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
    EXPECT_EQ(reply.header("access-control-allow-methods"), "GET, DELETE, POST, PUT, HEAD");
    EXPECT_EQ(reply.header("access-control-allow-headers"),
              "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent");
  }
  EXPECT_EQ(get("/ping").header("access-control-allow-origin"), "");
}

TEST_F(ServerTest, TellsWhatItCanDo) {
  throttles.invocations_per_minute = 60;
  const Reply info = request("GET", "/", {});
  EXPECT_EQ(info.status, 200);
  const boost::json::value document = info.json();
  EXPECT_EQ(document.at("description"), "OpenWhisk");
  EXPECT_EQ(document.at("api_paths").at(0), "/api/v1");
  EXPECT_EQ(document.at("limits").at("actions_per_minute"), 60);
  EXPECT_EQ(document.at("limits").at("concurrent_actions"), 2147483647);
  EXPECT_EQ(document.at("limits").at("max_action_memory"), 512 * 1024 * 1024);
  EXPECT_EQ(document.at("limits").at("max_action_duration"), 300'000);
  EXPECT_EQ(document.at("runtimes").at("python").at(0).at("kind"), "python:3.11");
  const Reply api_info = request("GET", "/api/v1", {});
  EXPECT_EQ(api_info.json().at("api_version_path"), "v1");
  EXPECT_EQ(api_info.json().at("build"), "2026-01-02");
  EXPECT_EQ(get("/api/v1/namespaces").body, R"(["guest"])");
  const boost::json::value limits = get("/api/v1/namespaces/_/limits").json();
  EXPECT_EQ(limits.at("invocationsPerMinute"), 60);
  EXPECT_EQ(limits.at("maxActionMemory"), 512);
  EXPECT_EQ(limits.at("maxActionTimeout"), 300'000);
}

TEST_F(ServerTest, TellsHowItIs) {
  EXPECT_EQ(request("GET", "/ping", {}).body, "pong");
  EXPECT_EQ(request("GET", "/healthz", {}).status, 200);
  EXPECT_EQ(request("GET", "/readyz", {}).status, 200);
  on_server([this] { not_ready = "shutting down"; });
  const Reply not_now = request("GET", "/readyz", {});
  EXPECT_EQ(not_now.status, 503);
  EXPECT_EQ(not_now.error(), "shutting down");
  EXPECT_EQ(post(kActions + "/any").status, 503);  // takes no invocation
  EXPECT_EQ(get(kActions).status, 200);            // but shows what there is
  EXPECT_EQ(request("GET", "/healthz", {}).status, 200);
}

TEST_F(ServerTest, CountsWhatItAnswers) {
  get(kActions + "/nope");
  get(kActions + "/nope");
  const Reply metrics_page = request("GET", "/metrics", {});
  EXPECT_EQ(metrics_page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(metrics_page.body.find(R"(berth_api_requests_total{code="404",route="action"} 2)"),
            std::string::npos)
      << metrics_page.body;
  EXPECT_NE(metrics_page.body.find("berth_api_request_duration_seconds_count{route=\"action\"} 2"),
            std::string::npos);
}

TEST_F(ServerTest, NothingIsReadWithoutAKey) {
  EXPECT_EQ(request("GET", "/api/v1/namespaces/_/rules", {}).status, 401);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/a.json", {}).status, 404);
}

TEST_F(ServerTest, ServerErrorsLookAlike) {
  const http::Response response = server_error(413, "Content Too Large");
  EXPECT_EQ(response.status, 413);
  EXPECT_TRUE(response.body.starts_with(R"({"error":"Content Too Large","code":")"));
}

}  // namespace
}  // namespace berth::api
