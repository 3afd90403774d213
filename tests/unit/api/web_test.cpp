// SPDX-License-Identifier: Apache-2.0
// Web actions over HTTP: who gets in, what the action is given, what comes back.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/base64.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

const std::string kWeb = "/api/v1/web/guest/default/page";

class WebTest : public ApiTest {
 protected:
  // `annotations`: more members of the list.
  void export_page(const std::string& annotations = "", const std::string& members = "") {
    create("page",
           R"(,"annotations":[{"key":"web-export","value":true})" + annotations + "]" + members);
  }
  // The fake's result is what it was given: the arguments.
  json::object given(const Reply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json().is_object() ? reply.json().get_object() : json::object();
  }
  Reply with_result(const std::string& result, const std::string& extension = "",
                    entity::Outcome outcome = entity::Outcome::kSuccess) {
    on_server([&] {
      invoker.result = result;
      invoker.outcome = outcome;
    });
    return request("GET", kWeb + extension, {});
  }
};

TEST_F(WebTest, IsFoundOnlyIfItIsExported) {
  create("page");
  EXPECT_EQ(request("GET", kWeb, {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/nope", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/nobody/default/page", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/pkg/page", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/%zz", {}).status, 400);
  EXPECT_EQ(request("TRACE", kWeb, {}).status, 405);
}

TEST_F(WebTest, TellsTheActionOfTheRequest) {
  export_page();
  const Reply reply =
      request("PUT", kWeb + ".json/a/b%20c?x=1&y=two+words",
              {{"X-Odd", "1"}, {"Content-Type", "application/json"}}, R"({"y":[1],"z":null})");
  const json::object seen = given(reply);
  EXPECT_EQ(seen.at("__ow_method"), "put");
  EXPECT_EQ(seen.at("__ow_path"), "/a/b%20c");
  EXPECT_EQ(seen.at("__ow_headers").at("x-odd"), "1");
  EXPECT_EQ(seen.at("__ow_headers").at("content-type"), "application/json");
  EXPECT_EQ(seen.at("x"), "1");
  EXPECT_EQ(json::serialize(seen.at("y")), "[1]");  // the body's wins
  EXPECT_TRUE(seen.at("z").is_null());
  EXPECT_FALSE(seen.contains("__ow_user"));
  EXPECT_FALSE(seen.contains("__ow_body"));
  EXPECT_EQ(reply.header("x-openwhisk-activation-id").size(), 32u);
  on_server([&] { EXPECT_EQ(invoker.seen.at(0).user.namespace_name, "guest"); });
}

TEST_F(WebTest, ReadsBodiesByTheirType) {
  export_page();
  const auto body = [&](const std::string& type, const std::string& text) {
    return given(request("POST", kWeb + ".json", {{"Content-Type", type}}, text));
  };
  EXPECT_EQ(body("application/x-www-form-urlencoded", "a=1&b=x%20y+z").at("b"), "x y z");
  EXPECT_EQ(json::serialize(body("application/json", "[1,2]").at("__ow_body")), "[1,2]");
  EXPECT_EQ(body("application/vnd.x+json; charset=utf-8", R"({"k":1})").at("k"), 1);
  EXPECT_EQ(body("text/plain", "héllo\xff").at("__ow_body"), "héllo\xEF\xBF\xBD");
  EXPECT_EQ(body("application/octet-stream", "\x01\xff").at("__ow_body"),
            json::value(base64_encode("\x01\xff")));
  EXPECT_EQ(body("image/png", "p").at("__ow_body"), json::value(base64_encode("p")));
  EXPECT_EQ(request("POST", kWeb, {{"Content-Type", "application/json"}}, "{").status, 400);
}

TEST_F(WebTest, RawOnesGetQueryAndBodyAsTheyAre) {
  export_page(R"(,{"key":"raw-http","value":true})");
  json::object seen = given(request("POST", kWeb + ".json?a=1&__ow_method=x",
                                    {{"Content-Type", "application/json"}}, R"({"b":1})"));
  EXPECT_EQ(seen.at("__ow_query"), "a=1&__ow_method=x");
  EXPECT_EQ(seen.at("__ow_body"), json::value(base64_encode(R"({"b":1})")));
  EXPECT_EQ(seen.at("__ow_method"), "post");
  EXPECT_FALSE(seen.contains("a"));
  EXPECT_FALSE(seen.contains("b"));
  seen = given(request("GET", kWeb + ".json", {}));
  EXPECT_EQ(seen.at("__ow_query"), "");
  EXPECT_EQ(seen.at("__ow_body"), "");
}

TEST_F(WebTest, RefusesReservedAndFinalParameters) {
  export_page(R"(,{"key":"final","value":true})", R"(,"parameters":[{"key":"p","value":1}])");
  const std::string why =
      "Request defines parameters that are not allowed (e.g., reserved properties).";
  for (const char* query : {"?__ow_path=x", "?__ow_body=x", "?p=2"}) {
    const Reply reply = request("GET", kWeb + query, {});
    EXPECT_EQ(reply.status, 400) << query;
    EXPECT_EQ(reply.error(), why) << query;
  }
  const Headers type = {{"Content-Type", "application/json"}};
  EXPECT_EQ(request("POST", kWeb, type, R"({"__ow_body":"x"})").error(), why);
  EXPECT_EQ(request("POST", kWeb, type, R"({"p":"x"})").error(), why);
  EXPECT_EQ(given(request("GET", kWeb + ".json", {})).at("p"), 1);
}

TEST_F(WebTest, LetsInWhomItsAnnotationSays) {
  export_page(R"(,{"key":"require-whisk-auth","value":true})");
  EXPECT_EQ(request("GET", kWeb + ".json", {}).status, 401);
  EXPECT_EQ(request("GET", kWeb + ".json", {{"Authorization", "Basic eDp5"}}).status, 401);
  // Any namespace's key will do; the action runs as its owner.
  const json::object seen =
      given(request("GET", kWeb + ".json", {{"Authorization", basic(kOther)}}));
  EXPECT_EQ(seen.at("__ow_user"), "other");
  on_server([&] { EXPECT_EQ(invoker.seen.at(0).user.namespace_name, "guest"); });
}

TEST_F(WebTest, ComparesASecretOfTheActionsOwn) {
  export_page(R"(,{"key":"require-whisk-auth","value":4711})");
  EXPECT_EQ(request("GET", kWeb + ".json", {}).status, 401);
  EXPECT_EQ(request("GET", kWeb + ".json", {{"X-Require-Whisk-Auth", "4712"}}).status, 401);
  EXPECT_EQ(request("GET", kWeb + ".json", {{"Authorization", basic(kGuest)}}).status, 401);
  EXPECT_EQ(request("GET", kWeb + ".json", {{"X-Require-Whisk-Auth", "4711"}}).status, 200);
}

TEST_F(WebTest, AnswersOptionsForTheAction) {
  export_page();
  const Reply reply =
      request("OPTIONS", kWeb, {{"Access-Control-Request-Headers", "X-One, X-Two"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
  EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
  EXPECT_EQ(reply.header("access-control-allow-headers"), "X-One, X-Two");
  EXPECT_EQ(reply.header("access-control-allow-methods"),
            "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH");
  on_server([&] { EXPECT_TRUE(invoker.seen.empty()); });
  EXPECT_EQ(request("GET", kWeb + ".json", {}).header("access-control-allow-headers"),
            "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent");
}

TEST_F(WebTest, LetsBrowsersReadErrors) {
  const Reply reply = request("GET", "/api/v1/web/guest/default/nothing.json", {});
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
}

TEST_F(WebTest, LeavesOptionsToAnActionThatWantsThem) {
  export_page(
      R"(,{"key":"web-custom-options","value":true},{"key":"require-whisk-auth","value":true})");
  const Reply reply = request("OPTIONS", kWeb + ".json", {});
  EXPECT_EQ(given(reply).at("__ow_method"), "options");
  EXPECT_EQ(reply.header("access-control-allow-origin"), "");
}

TEST_F(WebTest, MakesAnHttpResponse) {
  export_page();
  Reply reply = with_result(
      R"({"statusCode":418,"headers":{"X-A":true,"Set-Cookie":["a=1","b=2"],"Content-Length":"7"},"body":"<p>"})");
  EXPECT_EQ(reply.status, 418);
  EXPECT_EQ(reply.header("content-type"), "text/html; charset=UTF-8");
  EXPECT_EQ(reply.header("x-a"), "true");
  EXPECT_EQ(reply.headers.count("set-cookie"), 2u);
  EXPECT_EQ(reply.header("content-length"), "3");
  EXPECT_EQ(reply.body, "<p>");

  reply = with_result(R"({"headers":{"content-type":"image/png"},"body":"AAH/"})", ".http");
  EXPECT_EQ(reply.body, std::string("\0\x01\xff", 3));
  EXPECT_EQ(reply.header("content-type"), "image/png");

  reply = with_result(R"({"body":{"a":[1]}})");
  EXPECT_EQ(reply.body, R"({"a":[1]})");
  EXPECT_EQ(reply.header("content-type"), "application/json");

  reply = with_result(R"({"statusCode":"302","headers":{"location":"https://example.org/"}})");
  EXPECT_EQ(reply.status, 302);
  EXPECT_EQ(reply.header("location"), "https://example.org/");
  EXPECT_EQ(with_result(R"({})").status, 204);
  EXPECT_EQ(with_result(R"({"body":""})").status, 204);

  // The error of an application is an answer too.
  reply = with_result(R"({"error":{"statusCode":404,"body":"gone"}})", "",
                      entity::Outcome::kApplicationError);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body, "gone");
}

TEST_F(WebTest, SaysWhatIsWrongWithAResponse) {
  export_page();
  const std::string no_http = "Response is not valid 'message/http'.";
  for (const char* result :
       {"[1]", R"({"statusCode":"x"})", R"({"statusCode":99})", R"({"statusCode":1e9})",
        R"({"headers":[]})", R"({"headers":{"a b":"c"}})", R"({"headers":{"a":"b\r\nc: d"}})",
        R"({"headers":{"a":{}}})"}) {
    const Reply reply = with_result(result);
    EXPECT_EQ(reply.status, 400) << result;
    EXPECT_EQ(reply.error(), no_http) << result;
  }
  EXPECT_EQ(with_result(R"({"headers":{"Content-Type":"nonsense"},"body":"x"})").error(),
            "Response did not specify a known content-type.");
  EXPECT_EQ(with_result(R"({"headers":{"Content-Type":"text/css"},"body":{}})").error(),
            "Response type in header did not match generated content type.");
  EXPECT_EQ(with_result(R"({"headers":{"Content-Type":"image/png"},"body":"?"})").error(),
            "Response type in header did not match generated content type.");
  const Reply failed = with_result(R"({"error":"x"})", "", entity::Outcome::kDeveloperError);
  EXPECT_EQ(failed.status, 400);
  EXPECT_EQ(failed.error(), "There was an error processing your request.");
}

TEST_F(WebTest, MakesWhatTheExtensionAsksFor) {
  export_page();
  EXPECT_EQ(with_result("[1]", ".json").body, "[1]");
  Reply reply = with_result(R"({"html":"<b>"})", ".html");
  EXPECT_EQ(reply.body, "<b>");
  EXPECT_EQ(reply.header("content-type"), "text/html; charset=UTF-8");
  reply = with_result(R"({"body":"<svg/>"})", ".svg");
  EXPECT_EQ(reply.body, "<svg/>");
  EXPECT_EQ(reply.header("content-type"), "image/svg+xml");
  EXPECT_EQ(with_result(R"({"text":"t"})", ".text").body, "t");
  EXPECT_EQ(with_result(R"({"n":1})", ".text").body, R"({"n":1})");
  reply = with_result(R"({"n":1})", ".html");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.error(), "Response does not include requested property.");
  EXPECT_EQ(with_result(R"({"html":1})", ".html").error(), "Response is not valid 'text/html'.");
}

TEST_F(WebTest, CountsAgainstItsOwner) {
  throttles.concurrent_invocations = 1;
  export_page();
  on_server([&] { invoker.hold = true; });
  std::thread first([&] { EXPECT_EQ(request("GET", kWeb + ".json", {}).status, 200); });
  const auto running = [&] {
    std::size_t count = 0;
    on_server([&] { count = invoker.seen.size(); });
    return count;
  };
  while (running() == 0) std::this_thread::yield();
  EXPECT_EQ(request("GET", kWeb + ".json", {}).status, 429);
  on_server([&] { invoker.release(); });
  first.join();
}

TEST_F(WebTest, SaysThatAResponseIsNotReadyYet) {
  bounds.max_blocking_wait_ms = 1;
  export_page();
  on_server([&] { invoker.hold = true; });
  const Reply reply = request("GET", kWeb, {});
  EXPECT_EQ(reply.status, 202);
  EXPECT_EQ(reply.error(), "Response not yet ready.");
  on_server([&] { invoker.release(); });
}

}  // namespace
}  // namespace berth::api
