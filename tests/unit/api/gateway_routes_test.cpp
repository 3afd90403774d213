// SPDX-License-Identifier: Apache-2.0
// From an API's Swagger document to what serves it, and back from endpoints to a document.
#include "api/gateway_routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "api/gateway_assembly.hpp"
#include "api/gateway_changes.hpp"
#include "api/gateway_document.hpp"
#include "api/gateway_rates.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

// A document whose paths all have GET, answered by the action of that name.
json::object document_of(const std::string& base,
                         const std::vector<std::pair<std::string, std::string>>& paths) {
  json::object document = new_document(base, "");
  for (const auto& [path, action] : paths) {
    Endpoint endpoint;
    endpoint.path = path;
    endpoint.method = "get";
    endpoint.action = {"guest", "", action};
    endpoint.extension = "json";
    put_endpoint(document, endpoint, "http://here");
  }
  return document;
}

GatewayRoutes compiled(const json::object& document) {
  auto routes = GatewayRoutes::compile(document, "guest", "/doc");
  EXPECT_TRUE(routes.has_value()) << routes.error().message;
  return routes ? std::move(*routes) : GatewayRoutes();
}

// What is said of a document with that member.
std::string refusal(const std::string& member, const std::string& value) {
  json::object document = document_of("/b", {{"/p", "a"}});
  document[member] = json::parse(value);
  const auto routes = GatewayRoutes::compile(document, "guest", "/doc");
  return routes ? std::string() : routes.error().message;
}

std::string action_at(const GatewayRoutes& routes, const std::vector<std::string>& segments,
                      std::size_t used) {
  const GatewayRoutes::Match match = routes.match(segments);
  if (match.operations == nullptr) return "";
  EXPECT_EQ(match.used, used);
  return match.operations->at("GET").action.path();
}

TEST(GatewayRoutes, TakeTheBestPath) {
  const GatewayRoutes routes = compiled(document_of("/club", {{"/books", "all"},
                                                              {"/books/{id}", "one"},
                                                              {"/books/new", "new"},
                                                              {"/books/{id}/pages/{page}", "page"},
                                                              {"/{any}", "any"},
                                                              {"plain", "plain"}}));
  EXPECT_EQ(action_at(routes, {"club", "books"}, 2), "guest/all");
  EXPECT_EQ(action_at(routes, {"club", "books", "7"}, 3), "guest/one");
  EXPECT_EQ(action_at(routes, {"club", "books", "new"}, 3), "guest/new");
  EXPECT_EQ(action_at(routes, {"club", "books", "7", "pages", "x y"}, 5), "guest/page");
  EXPECT_EQ(action_at(routes, {"club", "plain"}, 2), "guest/plain");
  EXPECT_EQ(action_at(routes, {"club", "other"}, 2), "guest/any");
  // What is longer than a path goes to the action.
  EXPECT_EQ(action_at(routes, {"club", "books", "7", "more", "z"}, 3), "guest/one");
  EXPECT_EQ(routes.match({"club"}).operations, nullptr);
  EXPECT_EQ(routes.match({"club", ""}).operations, nullptr);
  EXPECT_EQ(routes.match({"clubs", "books"}).operations, nullptr);
  EXPECT_EQ(routes.match({}).operations, nullptr);

  const auto fields = routes.match({"club", "books", "7", "pages", "x y"}).fields;
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0], (std::pair<std::string, std::string>("id", "7")));
  EXPECT_EQ(fields[1], (std::pair<std::string, std::string>("page", "x y")));
}

TEST(GatewayRoutes, ARootOfAllHasEverything) {
  const GatewayRoutes routes = compiled(document_of("/", {{"/", "root"}, {"/a", "a"}}));
  EXPECT_EQ(action_at(routes, {}, 0), "guest/root");
  EXPECT_EQ(action_at(routes, {"a"}, 1), "guest/a");
  EXPECT_EQ(action_at(routes, {"b", "c"}, 0), "guest/root");
}

TEST(GatewayRoutes, SayWhatIsWrongAndWhere) {
  const auto said = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  said(refusal("basePath", R"("b")"), "/doc/basePath: must begin with '/'");
  said(refusal("basePath", R"("/b/")"), "/doc/basePath: must not end with '/'");
  said(refusal("basePath", R"("/{b}")"), "/doc/basePath: a base path has no parameters");
  said(refusal("basePath", "7"), "/doc/basePath: must be a string");
  said(refusal("paths", "null"), "/doc/paths: is missing");
  said(refusal("paths", R"({"/a/b":[]})"), "/doc/paths/~1a~1b: must be an object");
  said(refusal("paths", R"({"/a//b":{"get":{}}})"), "has an empty part");
  said(refusal("paths", R"({"/a{b}":{"get":{}}})"), "a parameter is a whole part");
  said(refusal("paths", R"({"/{a}/{a}":{"get":{}}})"), "has the parameter a twice");
  said(refusal("paths", R"({"/{__ow_x}":{"get":{}}})"), "must not begin with __ow_");
  said(refusal("paths", R"({"/a?b":{"get":{}}})"), "neither '?' nor '#'");
  said(refusal("paths", R"({"/a":{"get":{}}})"), "/doc/paths/~1a/get/x-openwhisk: is missing");
  said(refusal("paths", R"({"/{a}":{"get":{"x-openwhisk":{"action":"a"}}},
                            "/{b}":{"get":{"x-openwhisk":{"action":"a"}}}})"),
       "/doc/paths/~1{b}: is the same as another path");
  said(refusal("paths", R"({"/a":{"get":{"x-openwhisk":{"action":"a/b"}}}})"),
       "/doc/paths/~1a/get/x-openwhisk: does not name an action");
  said(refusal("paths", R"({"/a":{"get":{"x-openwhisk":{"action":"a","url":"http://x/y"}}}})"),
       "/doc/paths/~1a/get: the URL of its web action");
  said(refusal("x-ibm-configuration", R"({"cors":{"enabled":"yes"}})"),
       "/doc/x-ibm-configuration/cors/enabled: must be true or false");
  said(refusal("x-ibm-configuration", R"({"assembly":{"execute":[{"gatewayscript":{}}]}})"),
       "/doc/x-ibm-configuration/assembly/execute/0/gatewayscript: is not supported");
  said(refusal("securityDefinitions", R"({"a":{"type":"oauth2"}})"),
       "/doc/securityDefinitions/a: only the type apiKey, in the header, is supported");
  said(refusal("securityDefinitions", R"({"a":{"type":"apiKey","in":"header","name":"a b"}})"),
       "/doc/securityDefinitions/a/name: must be the name of a header");
  said(refusal("security", R"([{"x":[]}])"), "/doc/security/0/x: is none of securityDefinitions");
  said(refusal("x-ibm-rate-limit", R"([{"rate":0,"unit":"minute"}])"),
       "/doc/x-ibm-rate-limit/0/rate: must be a number above 0");
  said(refusal("x-ibm-rate-limit", R"([{"rate":1,"unit":"week"}])"),
       "/doc/x-ibm-rate-limit/0/unit: must be second, minute, hour or day");
}

// What operations repeat is bounded, or one document would be many times its size in memory.
TEST(GatewayRoutes, RefuseWhatGrowsInMemory) {
  const auto starts = [](const std::string& said, const std::string& with) {
    EXPECT_TRUE(said.starts_with("The request content was malformed:\n" + with)) << said;
  };
  const auto assembly = [](const std::string& url, int ids) {
    json::array operations;
    for (int i = 0; i < ids; ++i) operations.push_back(json::value(std::to_string(i)));
    const json::object invoke{{"invoke", {{"target-url", url}}}};
    const json::object one{{"execute", json::array{invoke}}, {"operations", operations}};
    const json::object choice{{"operation-switch", {{"case", json::array{one}}}}};
    return json::serialize(json::object{{"assembly", {{"execute", json::array{choice}}}}});
  };
  const std::string key = "x-ibm-configuration";
  EXPECT_EQ(refusal(key, assembly("u", 1000)), "");
  starts(refusal(key, assembly("u", 1001)),
         "/doc/x-ibm-configuration/assembly/execute/0/operation-switch/case/0/operations: an API "
         "has at most 1000 operations");
  starts(refusal(key, assembly(std::string(2049, 'u'), 1)),
         "/doc/x-ibm-configuration/assembly/execute/0/operation-switch/case/0/execute/0/invoke/"
         "target-url: is longer than 2048 characters");
  std::string entries = "[{}";
  for (int i = 0; i < 15; ++i) entries += ",{}";
  EXPECT_EQ(refusal("security", entries + "]"), "");
  starts(refusal("security", entries + ",{}]"), "/doc/security: has more than 16 entries");
  starts(refusal("securityDefinitions", R"({"a":{"type":"apiKey","in":"header","name":")" +
                                            std::string(129, 'x') + "\"}}"),
         "/doc/securityDefinitions/a/name: is longer than 128 characters");
}

TEST(GatewayRoutes, AskForKeysWhereTheDocumentSays) {
  json::object document = document_of("/b", {{"/p", "a"}, {"/q", "a"}});
  document["securityDefinitions"] = json::parse(R"({
      "id":{"type":"apiKey","in":"header","name":"X-Id","x-key-type":"clientId"},
      "secret":{"type":"apiKey","in":"header","name":"X-Secret","x-key-type":"clientSecret"}})");
  const auto demands = [&](const std::string& path) {
    const KeyDemands found = compiled(document).match({"b", path}).operations->at("GET").demands;
    return found ? *found : std::vector<KeyDemand>();
  };
  // Defined, and nothing said of where: everywhere.
  ASSERT_EQ(demands("p").size(), 1u);
  EXPECT_EQ(demands("p")[0].header, "X-Id");
  EXPECT_EQ(demands("p")[0].secret_header, "X-Secret");
  document["security"] = json::parse(R"([{"id":[]}])");
  EXPECT_EQ(demands("p")[0].secret_header, "");
  EXPECT_EQ(compiled(document).key_demand().header, "X-Id");
  // An operation's own word counts.
  document["paths"].as_object()["/q"].as_object()["get"].as_object()["security"] = json::array();
  EXPECT_TRUE(demands("q").empty());
  EXPECT_EQ(demands("p").size(), 1u);
  document["security"] = json::parse(R"([{"secret":[]}])");
  EXPECT_FALSE(GatewayRoutes::compile(document, "guest", "").has_value());
}

// As the tool serverless writes it, whose host may have a scheme twice.
TEST(GatewayRoutes, ReadWhatServerlessSends) {
  const json::object document = json::parse(R"json({
    "swagger":"2.0","basePath":"/","info":{"title":"svc","version":"1.0"},
    "paths":{"hello/{id}":{"get":{"operationId":"get-hello/{id}","responses":{},
      "x-openwhisk":{"action":"svc-dev-hello","namespace":"guest","package":"default",
        "url":"https://http://127.0.0.1:1/api/v1/web/guest/default/svc-dev-hello.http"}}}},
    "x-ibm-configuration":{"cors":{"enabled":false},"assembly":{"execute":[{"operation-switch":{"case":[
      {"execute":[{"set-variable":{"actions":[
          {"set":"message.headers.X-Require-Whisk-Auth","value":"s3"}]}},
        {"invoke":{"verb":"keep","target-url":
          "https://h/api/v1/web/guest/default/svc-dev-hello.http$(request.path)"}}],
       "operations":["get-hello/{id}"]}]}}]}}})json")
                                    .as_object();
  const GatewayRoutes routes = compiled(document);
  EXPECT_FALSE(routes.cors());
  const GatewayRoutes::Match match = routes.match({"hello", "7"});
  ASSERT_NE(match.operations, nullptr);
  const GatewayOperation& operation = match.operations->at("GET");
  EXPECT_EQ(operation.action.path(), "guest/svc-dev-hello");
  EXPECT_EQ(operation.extension, WebExtension::kHttp);
  EXPECT_TRUE(operation.whole_path);
  EXPECT_EQ(*operation.secret, "s3");
}

TEST(GatewayDocument, LosesWhatIsRemoved) {
  json::object document = document_of("/b", {{"/p", "a"}, {"/q", "b"}});
  Endpoint post;
  post.path = "/p";
  post.method = "post";
  post.action = {"guest", "pkg", "c"};
  post.extension = "http";
  put_endpoint(document, post, "http://here");
  EXPECT_EQ(compiled(document).match({"b", "p"}).operations->size(), 2u);
  EXPECT_FALSE(remove_endpoint(document, "/none", ""));
  EXPECT_FALSE(remove_endpoint(document, "/p", "put"));
  EXPECT_TRUE(remove_endpoint(document, "/p", "get"));
  const GatewayRoutes routes = compiled(document);
  ASSERT_EQ(routes.match({"b", "p"}).operations->count("POST"), 1u);
  EXPECT_EQ(routes.match({"b", "p"}).operations->at("POST").action.path(), "guest/pkg/c");
  EXPECT_TRUE(remove_endpoint(document, "/p", ""));
  EXPECT_TRUE(has_endpoints(document));
  EXPECT_TRUE(remove_endpoint(document, "/q", "get"));
  EXPECT_FALSE(has_endpoints(document));
  const std::string left = json::serialize(document);
  EXPECT_EQ(left.find("get_"), std::string::npos) << left;
}

TEST(GatewayDocument, AnEndpointReplacesItsOwnOnly) {
  json::object document = document_of("/b", {{"/p", "a"}, {"/q", "b"}});
  Endpoint again;
  again.path = "/p";
  again.method = "get";
  again.action = {"guest", "", "other"};
  again.extension = "text";
  again.secret = "s";
  put_endpoint(document, again, "http://here");
  const GatewayRoutes routes = compiled(document);
  const GatewayOperation& operation = routes.match({"b", "p"}).operations->at("GET");
  EXPECT_EQ(operation.action.name, "other");
  EXPECT_EQ(operation.extension, WebExtension::kText);
  EXPECT_EQ(*operation.secret, "s");
  EXPECT_EQ(routes.match({"b", "q"}).operations->at("GET").action.name, "b");
}

TEST(WebUrl, IsReadWhateverIsBeforeIt) {
  const auto url = parse_web_url("http://h:1/api/v1/web/ns/my%20pkg/a.b.json$(request.path)");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->action.namespace_name, "ns");
  EXPECT_EQ(url->action.package, "my pkg");
  EXPECT_EQ(url->action.name, "a.b");
  EXPECT_EQ(url->extension, WebExtension::kJson);
  EXPECT_TRUE(url->whole_path);
  for (const char* none : {"", "/api/v1/web/", "http://h/api/v1/namespaces/_/actions/a",
                           "http://h/api/v1/web/a/b/c/d"}) {
    const auto parsed = parse_web_url(none);
    EXPECT_TRUE(!parsed || parsed->action.name.empty()) << none;
  }
}

TEST(GatewayRates, CountEachAlone) {
  GatewayRates rates;
  const GatewayRate two{2, 60};
  EXPECT_EQ(rates.enter("a", two, 100), 0);
  EXPECT_EQ(rates.enter("a", two, 130), 0);
  EXPECT_EQ(rates.enter("a", two, 140), 20);
  EXPECT_EQ(rates.enter("b", two, 140), 0);
  EXPECT_EQ(rates.enter("a", two, 160), 0);
  EXPECT_EQ(rates.enter("a", GatewayRate{}, 160), 0);
  // What is gone begins anew; what only begins alike stays.
  const GatewayRate one{1, 60};
  EXPECT_EQ(rates.enter("n/api?k", one, 160), 0);
  EXPECT_EQ(rates.enter("n/api2?k", one, 160), 0);
  rates.forget("n/api?");
  EXPECT_EQ(rates.enter("n/api?k", one, 160), 0);
  EXPECT_NE(rates.enter("n/api2?k", one, 160), 0);
}

TEST(GatewayChanges, WhatComesTogetherSharesTheRoom) {
  GatewayChanges changes;
  EXPECT_TRUE(changes.expect("n", 60, 100));
  EXPECT_FALSE(changes.expect("n", 50, 100));
  EXPECT_TRUE(changes.expect("m", 50, 100));
  EXPECT_TRUE(changes.expect("n", 40, 100));
  EXPECT_FALSE(changes.expect("n", 1, 90)) << "there is less room than what is coming";
  changes.arrived("n", 60);
  EXPECT_TRUE(changes.expect("n", 60, 100));
}

}  // namespace
}  // namespace berth::api
