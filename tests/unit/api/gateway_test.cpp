// SPDX-License-Identifier: Apache-2.0
// APIs over HTTP: made as OpenWhisk's tools make them, asked as their users ask.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <future>

#include "api/gateway_table.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

const std::string kManage = "/api/v1/web/whisk.system/apimgmt/";
const std::string kGateway = "/api/v1/gw/guest";

class GatewayTest : public ApiTest {
 protected:
  void export_page(const std::string& annotations = "") {
    create("page", R"(,"annotations":[{"key":"web-export","value":true})" + annotations + "]");
  }
  // As `wsk api create` sends it.
  Reply add(const std::string& base, const std::string& path, const std::string& method,
            const std::string& more = "", const std::string& query = "?responsetype=json") {
    const std::string doc =
        R"({"apidoc":{"namespace":"_","gatewayBasePath":")" + base + R"(","gatewayPath":")" + path +
        R"(","gatewayMethod":")" + method + R"(","id":"API:_:)" + base +
        R"(","action":{"name":"page","namespace":"_","backendMethod":"GET",)"
        R"("backendUrl":"http://h/api/v1/web/_/default/page.http","authkey":"k"})" +
        more + "}}";
    return post(kManage + "createApi.http" + query, doc);
  }
  json::object given(const Reply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json().is_object() ? reply.json().get_object() : json::object();
  }
  std::uint64_t last_revision() {
    return entities.cached_entity(entity::Collection::kApis, "guest//b")->revision;
  }
  Reply visit(const std::string& path, const Headers& headers = {},
              const std::string& method = "GET") {
    return request(method, kGateway + path, headers);
  }
};

TEST_F(GatewayTest, AnswersWhatItsActionMakes) {
  export_page();
  const Reply made = add("/club", "/books", "GET", R"(,"apiName":"Book Club")");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("namespace"), "guest");
  EXPECT_EQ(made.json().at("gwApiActivated"), true);
  const std::string url(made.json().at("gwApiUrl").as_string());
  EXPECT_TRUE(url.starts_with("http://") && url.ends_with("/api/v1/gw/guest/club")) << url;
  EXPECT_EQ(
      made.json().at("apidoc").at("paths").at("/books").at("get").at("x-openwhisk").at("action"),
      "page");

  const json::object seen = given(visit("/club/books?x=1", {{"X-Odd", "y"}}));
  EXPECT_EQ(seen.at("x"), "1");
  EXPECT_EQ(seen.at("__ow_method"), "get");
  EXPECT_EQ(seen.at("__ow_path"), "");
  EXPECT_EQ(seen.at("__ow_headers").at("x-odd"), "y");
  EXPECT_FALSE(seen.contains("__ow_user"));
  // A slash at the end is none; what is longer goes to the action.
  EXPECT_EQ(visit("/club/books/").status, 200);
  EXPECT_EQ(given(visit("/club/books/a/b%20c")).at("__ow_path"), "/a/b%20c");

  for (const char* none : {"/club", "/club/book", "/nothing", "", "/"}) {
    EXPECT_EQ(visit(none).status, 404) << none;
  }
  EXPECT_EQ(request("GET", "/api/v1/gw/nobody/club/books", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/gw/other/club/books", {}).status, 404);
  EXPECT_EQ(visit("/club/%zz").status, 400);
  std::string deep = "/club/books";
  for (int i = 0; i < 255; ++i) deep += "/x";
  EXPECT_EQ(visit(deep).status, 200);
  EXPECT_EQ(visit(deep + "/").status, 200);
  EXPECT_EQ(visit(deep + "/x").status, 404);  // and not without its last part
  const Reply wrong_method = visit("/club/books", {}, "PUT");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.header("allow"), "GET, OPTIONS");
  on_server([&] { EXPECT_EQ(invoker.seen.back().user.namespace_name, "guest"); });
}

TEST_F(GatewayTest, GivesTheParametersOfThePath) {
  export_page();
  ASSERT_EQ(add("/club", "/books/{isbn}", "GET").status, 200);
  const json::object seen = given(visit("/club/books/97%208?isbn=no&y=2"));
  EXPECT_EQ(seen.at("isbn"), "97 8");  // not what the query says
  EXPECT_EQ(seen.at("y"), "2");
  EXPECT_EQ(seen.at("__ow_path"), "/club/books/97%208");
}

TEST_F(GatewayTest, LetsBrowsersInUnlessTheApiDoesNot) {
  export_page();
  ASSERT_EQ(add("/club", "/books", "POST").status, 200);
  Reply reply = visit("/club/books", {{"Access-Control-Request-Headers", "X-One"}}, "OPTIONS");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("access-control-allow-origin"), "*");
  EXPECT_EQ(reply.header("access-control-allow-headers"), "X-One");
  ASSERT_EQ(add("/club", "/books", "GET", R"(,"cors":false)").status, 200);
  reply = visit("/club/books", {}, "OPTIONS");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("access-control-allow-origin"), "");
  EXPECT_EQ(visit("/club/books").header("access-control-allow-origin"), "");
}

TEST_F(GatewayTest, OpensActionsThatAskForASecretOrAKey) {
  export_page(R"(,{"key":"require-whisk-auth","value":"s3cret"})");
  ASSERT_EQ(add("/club", "/books", "GET").status, 200);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/page.json", {}).status, 401);
  EXPECT_EQ(visit("/club/books").status, 200);
}

TEST_F(GatewayTest, SendsAnothersActionItsSecret) {
  export_page(R"(,{"key":"require-whisk-auth","value":"s3cret"})");
  const auto made = [&](const std::string& secret) {
    return post(kManage + "createApi.http",
                R"({"apidoc":{"namespace":"_","gatewayBasePath":"/mine","gatewayPath":"/p",)"
                R"("gatewayMethod":"get","action":{"name":"page","namespace":"guest")" +
                    secret + "}}}",
                {{"Authorization", basic(kOther)}});
  };
  ASSERT_EQ(made("").status, 200);
  EXPECT_EQ(request("GET", "/api/v1/gw/other/mine/p", {}).status, 401);
  ASSERT_EQ(made(R"(,"secureKey":"s3cret")").status, 200);
  EXPECT_EQ(request("GET", "/api/v1/gw/other/mine/p", {}).status, 200);
  on_server([&] { EXPECT_EQ(invoker.seen.back().user.namespace_name, "guest"); });
}

// A bound package is in the namespace and not of it.
TEST_F(GatewayTest, ABindingDoesNotOpenWhatIsAnothers) {
  start();
  const Headers other{{"Authorization", basic(kOther)}};
  ASSERT_EQ(put("/api/v1/namespaces/_/packages/shared", R"({"publish":true})", other).status, 200);
  ASSERT_EQ(put("/api/v1/namespaces/_/actions/shared/page",
                R"({"exec":{"kind":"nodejs:20","code":"x"},"annotations":[)"
                R"({"key":"web-export","value":true},{"key":"require-whisk-auth","value":"s3"}]})",
                other)
                .status,
            200);
  ASSERT_EQ(put("/api/v1/namespaces/_/packages/bound",
                R"({"binding":{"namespace":"other","name":"shared"}})")
                .status,
            200);
  const auto made = [&](const std::string& secret) {
    return post(kManage + "createApi.http",
                R"({"apidoc":{"namespace":"_","gatewayBasePath":"/mine","gatewayPath":"/p",)"
                R"("gatewayMethod":"get","action":{"name":"bound/page","namespace":"_")" +
                    secret + "}}}");
  };
  ASSERT_EQ(made("").status, 200);
  EXPECT_EQ(visit("/mine/p").status, 401);
  EXPECT_EQ(visit("/mine/p", {{"X-Require-Whisk-Auth", "s3"}}).status, 200);
  ASSERT_EQ(made(R"(,"secureKey":"s3")").status, 200);
  EXPECT_EQ(visit("/mine/p").status, 200);
}

TEST_F(GatewayTest, ServesNoActionThatIsNotExported) {
  create("page");
  ASSERT_EQ(add("/club", "/books", "GET").status, 200);
  EXPECT_EQ(visit("/club/books").status, 404);
}

TEST_F(GatewayTest, ChecksKeys) {
  export_page();
  ASSERT_EQ(add("/club", "/books", "GET", R"(,"keyHeader":"x-api-key")").status, 200);
  Reply reply = visit("/club/books");
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.error(), "API key header \"x-api-key\" is required.");
  EXPECT_EQ(reply.header("www-authenticate"), "");
  EXPECT_EQ(visit("/club/books", {{"X-Api-Key", "guess"}}).error(), "Invalid API key.");
  // A browser asks first without a key.
  EXPECT_EQ(visit("/club/books", {}, "OPTIONS").status, 200);

  reply = post(kManage + "createKey.http?basepath=/club&note=app");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::string key(reply.json().at("key").as_string());
  const std::string id(reply.json().at("id").as_string());
  EXPECT_EQ(reply.json().at("header"), "x-api-key");
  EXPECT_EQ(visit("/club/books", {{"x-api-key", key}}).status, 200);
  EXPECT_EQ(visit("/club/books", {{"x-api-key", key + "x"}}).status, 401);

  // The key itself is nowhere to be read.
  reply = get(kManage + "getKeys.http?basepath=/club");
  EXPECT_EQ(reply.json().at("keys").as_array().size(), 1u);
  EXPECT_EQ(reply.json().at("keys").at(0).at("note"), "app");
  EXPECT_EQ(reply.body.find(key), std::string::npos);

  // It stays when the API changes, and goes when it is deleted.
  ASSERT_EQ(add("/club", "/more", "GET").status, 200);
  EXPECT_EQ(visit("/club/more").status, 401);
  EXPECT_EQ(visit("/club/more", {{"x-api-key", key}}).status, 200);
  EXPECT_EQ(remove(kManage + "deleteKey.http?basepath=/club&id=none").status, 404);
  EXPECT_EQ(remove(kManage + "deleteKey.http?basepath=/club&id=" + id).status, 200);
  EXPECT_EQ(visit("/club/more", {{"x-api-key", key}}).status, 401);

  ASSERT_EQ(add("/club", "/more", "GET", R"(,"keyHeader":"")").status, 200);
  EXPECT_EQ(visit("/club/more").status, 200);
  EXPECT_EQ(post(kManage + "createKey.http?basepath=/club").status, 409);
}

TEST_F(GatewayTest, ChecksAKeyWithItsSecret) {
  export_page();
  const std::string swagger = R"({"swagger":"2.0","basePath":"/s","info":{"title":"S"},
    "securityDefinitions":{"a":{"type":"apiKey","in":"header","name":"X-Id"},
      "b":{"type":"apiKey","in":"header","name":"X-Secret","x-key-type":"clientSecret"}},
    "security":[{"a":[],"b":[]}],
    "paths":{"/p":{"get":{"x-openwhisk":{"namespace":"_","action":"page",
      "url":"https://x/api/v1/web/_/default/page.json"}}}}})";
  ASSERT_EQ(
      post(kManage + "createApi.http",
           json::serialize(json::object{{"apidoc", {{"namespace", "_"}, {"swagger", swagger}}}}))
          .status,
      200);
  const Reply made = post(kManage + "createKey.http?basepath=S");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string key(made.json().at("key").as_string());
  const std::string secret(made.json().at("secret").as_string());
  EXPECT_EQ(visit("/s/p", {{"X-Id", key}}).error(), "Secret header \"X-Secret\" is required.");
  EXPECT_EQ(visit("/s/p", {{"X-Id", key}, {"X-Secret", key}}).error(), "Invalid API key.");
  EXPECT_EQ(visit("/s/p", {{"X-Id", key}, {"X-Secret", secret}}).status, 200);
}

TEST_F(GatewayTest, KeepsToTheRateOfTheDocument) {
  export_page();
  const json::object swagger = json::parse(R"({"swagger":"2.0","basePath":"/r","info":{"title":"R"},
    "x-ibm-rate-limit":[{"rate":2,"unit":"day","units":1}],
    "paths":{"/p":{"get":{"x-openwhisk":{"namespace":"_","action":"page"}}}}})")
                                   .as_object();
  ASSERT_EQ(post(kManage + "createApi.http",
                 json::serialize(json::object{{"apidoc", {{"swagger", swagger}}}}))
                .status,
            200);
  for (int i = 0; i < 2; ++i) EXPECT_NE(visit("/r/p").status, 429);
  const Reply reply = visit("/r/p");
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error(), "Rate limit exceeded");
  EXPECT_NE(reply.header("retry-after"), "");
}

TEST_F(GatewayTest, ListsWhatThereIs) {
  export_page();
  EXPECT_EQ(get(kManage + "getApi").body, R"({"apis":[]})");
  ASSERT_EQ(add("/b", "/p", "GET", R"(,"apiName":"B")").status, 200);
  ASSERT_EQ(add("/a", "/p", "GET").status, 200);
  ASSERT_EQ(add("B", "/q", "PUT").status, 200);  // by its name
  const json::value all =
      get(kManage + "getApi.http?limit=30&skip=0&accesstoken=DUMMY+TOKEN").json();
  ASSERT_EQ(all.at("apis").as_array().size(), 2u);
  EXPECT_EQ(all.at("apis").at(0).at("value").at("apidoc").at("basePath"), "/a");
  EXPECT_EQ(all.at("apis").at(1).at("value").at("apidoc").at("info").at("title"), "B");
  EXPECT_EQ(all.at("apis").at(1).at("value").at("apidoc").at("paths").as_object().size(), 2u);
  EXPECT_EQ(get(kManage + "getApi.http?basepath=B").json().at("apis").as_array().size(), 1u);
  EXPECT_EQ(get(kManage + "getApi.http?basepath=/none").body, R"({"apis":[]})");
  EXPECT_EQ(get(kManage + "getApi.http?skip=1").json().at("apis").as_array().size(), 1u);
  // Of the caller's namespace alone.
  EXPECT_EQ(get(kManage + "getApi.http", {{"Authorization", basic(kOther)}}).body,
            R"({"apis":[]})");
}

TEST_F(GatewayTest, KeepsTheProjectItIsOf) {
  export_page();
  const auto made = [this](const std::string& project) {
    return post(kManage + "createApi.http",
                R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET",)"
                R"("action":{"name":"page"},"project":)" +
                    project + "}}");
  };
  ASSERT_EQ(made("\"shop\"").status, 200);
  ASSERT_EQ(add("/b", "/q", "GET").status, 200);
  const json::value all = get(kManage + "getApi.http?basepath=/b").json();
  EXPECT_EQ(all.at("apis").at(0).at("value").at("apidoc").at("x-berth-project"), "shop");
  EXPECT_EQ(visit("/b/p").status, 200);
  EXPECT_EQ(made("7").status, 400);
  EXPECT_EQ(made('"' + std::string(257, 'x') + '"').status, 400);
}

TEST_F(GatewayTest, TheApiOfBeforeIsNotThere) {
  start();
  for (const char* name : {"getApi", "createApi", "deleteApi"}) {
    EXPECT_EQ(get("/api/v1/web/whisk.system/routemgmt/" + std::string(name) + ".json").status, 404)
        << name;
  }
}

TEST_F(GatewayTest, TakesAwayAPathOrAll) {
  export_page();
  ASSERT_EQ(add("/b", "/p", "GET").status, 200);
  ASSERT_EQ(add("/b", "/p", "PUT").status, 200);
  ASSERT_EQ(add("/b", "/q", "GET").status, 200);
  const std::string path = kManage + "deleteApi.http?force=true&basepath=/b";
  EXPECT_EQ(remove(path + "&relpath=/p&operation=GET").status, 200);
  EXPECT_EQ(visit("/b/p").status, 405);
  EXPECT_EQ(visit("/b/p", {}, "PUT").status, 200);
  EXPECT_EQ(remove(path + "&relpath=/p").body, "{}");
  EXPECT_EQ(visit("/b/p", {}, "PUT").status, 404);
  const Reply none = remove(path + "&relpath=/p");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.error(), "API deletion failure: path /p does not exist in the API");
  EXPECT_EQ(remove(path).status, 200);
  EXPECT_EQ(visit("/b/q").status, 404);
  EXPECT_EQ(remove(path).error(), "API deletion failure: API '/b' does not exist.");
  EXPECT_EQ(remove(kManage + "deleteApi.http?basepath=/b&operation=GET").status, 400);
  EXPECT_EQ(remove(kManage + "deleteApi.http").status, 400);
  // The last path takes the API with it.
  ASSERT_EQ(add("/b", "/p", "GET").status, 200);
  EXPECT_EQ(remove(path + "&relpath=/p").status, 200);
  EXPECT_EQ(get(kManage + "getApi.http").body, R"({"apis":[]})");
}

TEST_F(GatewayTest, ADocumentTakesTheApisPlace) {
  export_page();
  ASSERT_EQ(add("/b", "/old", "GET").status, 200);
  const json::value doc =
      get(kManage + "getApi.http?basepath=/b").json().at("apis").at(0).at("value").at("apidoc");
  json::object changed = doc.as_object();
  json::value item = changed.at("paths").at("/old");
  changed["paths"].as_object().clear();
  changed["paths"].as_object().emplace("/new", std::move(item));
  const Reply reply = post(kManage + "createApi.http",
                           json::serialize(json::object{{"apidoc", {{"swagger", changed}}}}));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(visit("/b/old").status, 404);
  EXPECT_EQ(visit("/b/new").status, 200);
}

TEST_F(GatewayTest, SaysWhatIsWrong) {
  start();
  const auto said = [&](const std::string& body, const std::string& part, int status = 400) {
    const Reply reply = post(kManage + "createApi.http", body);
    EXPECT_EQ(reply.status, status) << reply.body;
    EXPECT_NE(reply.error().find(part), std::string::npos) << reply.body;
  };
  said("{}", "/apidoc: is missing");
  said(R"({"apidoc":7})", "/apidoc: must be an object, or a string with one");
  said(R"({"apidoc":"{"})", "/apidoc:");
  said(R"({"apidoc":{}})", "/apidoc/gatewayBasePath: is missing");
  said(R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"FLY"}})",
       "/apidoc/gatewayMethod: must be GET");
  said(R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET"}})",
       "/apidoc/action: must be an object");
  said(
      R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET","action":{"name":""}}})",
      "/apidoc/action/name: does not name an action");
  said(
      R"({"apidoc":{"gatewayBasePath":"/{b}","gatewayPath":"/p","gatewayMethod":"GET","action":{"name":"a"}}})",
      "/apidoc/gatewayBasePath: a base path has no parameters");
  said(
      R"({"apidoc":{"gatewayBasePath":"name","gatewayPath":"/p","gatewayMethod":"GET","action":{"name":"a"}}})",
      "/apidoc/gatewayBasePath: no API has this name");
  said(R"({"apidoc":{"swagger":{"swagger":"3.0"}}})", "/apidoc/swagger/swagger: must be \"2.0\"");
  said(R"({"apidoc":{"swagger":{"swagger":"2.0","basePath":"/b"}}})",
       "/apidoc/swagger/info: must be an object");
  said(R"({"apidoc":{"swagger":{"swagger":"2.0","basePath":"/b","info":{}}}})",
       "/apidoc/swagger/paths: is missing");
  said(R"({"apidoc":{"swagger":{},"gatewayBasePath":"/b"}})", "/apidoc: has either");
  EXPECT_EQ(post(kManage + "createApi.http?responsetype=pdf",
                 R"({"apidoc":{"gatewayBasePath":"/b","gatewayPath":"/p","gatewayMethod":"GET"}})")
                .status,
            400);
  EXPECT_EQ(request("GET", kManage + "getApi.http", {}).status, 401);
  EXPECT_EQ(put(kManage + "getApi.http", "{}").status, 405);
  EXPECT_EQ(get(kManage + "fly.http").status, 404);
  EXPECT_EQ(get(kManage + "getApi.http/x").status, 404);
  EXPECT_EQ(request("OPTIONS", kManage + "createApi.http", {}).status, 200);
}

TEST_F(GatewayTest, ANamespaceMadeAgainHasNoneOfTheOldApis) {
  export_page();
  ASSERT_EQ(add("/b", "/p", "GET").status, 200);
  ASSERT_EQ(visit("/b/p").status, 200);
  // As the administration removes one: not through the API.
  on_server([&] {
    entities.change_entities(io.get_executor(),
                             {{.collection = entity::Collection::kApis,
                               .path = "guest//b",
                               .expected_revision = last_revision()}},
                             [](const auto& changed) { EXPECT_TRUE(changed); });
  });
  EXPECT_EQ(visit("/b/p").status, 200);  // from memory
  on_server([&] { auth.known.at("guest").namespace_uuid = "0"; });
  EXPECT_EQ(visit("/b/p").status, 404);
}

// Also of those that come together, and find the same number there.
TEST_F(GatewayTest, BoundsHowManyApisANamespaceHas) {
  start();
  on_server([this] {
    for (int i = 1; i < GatewayTable::kMaxApis; ++i) {
      const auto api = std::make_shared<entity::GatewayApi>();
      api->namespace_name = "guest";
      api->name = "/n" + std::to_string(i);
      api->parameters = {{.key = std::string(entity::GatewayApi::kDocument),
                          .value = {{"basePath", api->name}, {"paths", json::object()}}}};
      std::vector<store::EntityChange> changes(1);
      changes[0].put = api;
      entities.change_entities(io.get_executor(), std::move(changes),
                               [](const auto& made) { EXPECT_TRUE(made); });
    }
  });
  std::vector<std::future<int>> asked;
  for (int i = 0; i < 4; ++i) {
    asked.push_back(std::async(std::launch::async, [this, i] {
      const Reply reply = add("/more" + std::to_string(i), "/p", "GET");
      if (reply.status != 200) EXPECT_EQ(reply.error(), "A namespace has at most 200 APIs.");
      return reply.status;
    }));
  }
  std::vector<int> statuses;
  for (std::future<int>& one : asked) statuses.push_back(one.get());
  std::sort(statuses.begin(), statuses.end());
  EXPECT_EQ(statuses, (std::vector<int>{200, 409, 409, 409}));
}

TEST_F(GatewayTest, BoundsWhatANamespaceHasTogether) {
  start();
  // Five of 900 KB are too much.
  const auto put_large = [&](int number, std::size_t bytes) {
    return post(kManage + "createApi.http",
                R"({"apidoc":{"swagger":{"swagger":"2.0","basePath":"/l)" + std::to_string(number) +
                    R"(","info":{"description":")" + std::string(bytes, 't') +
                    R"("},"paths":{"/p":{"get":{"x-openwhisk":{"action":"a"}}}}}}})");
  };
  for (int i = 0; i < 4; ++i) {
    const Reply made = put_large(i, 900'000);
    ASSERT_EQ(made.status, 200) << made.body.substr(0, 200);
  }
  const Reply refused = put_large(4, 900'000);
  EXPECT_EQ(refused.status, 409);
  EXPECT_TRUE(refused.error().starts_with(
      "The documents of a namespace's APIs together have at most 4194304 bytes; with this one "))
      << refused.error();
  EXPECT_EQ(put_large(4, 100'000).status, 200);
  EXPECT_EQ(put_large(0, 900'000).status, 200);  // in its own place
  EXPECT_EQ(put_large(0, 800'000).status, 200);
  EXPECT_EQ(remove(kManage + "deleteApi.http?basepath=/l1").status, 200);
  EXPECT_EQ(put_large(5, 900'000).status, 200);
  EXPECT_EQ(put_large(6, 2'000'000).status, 413);
}

TEST_F(GatewayTest, WhatCannotBeServedCanBeSeenReplacedAndDeleted) {
  export_page();
  ASSERT_EQ(add("/b", "/p", "GET").status, 200);
  ASSERT_EQ(add("/good", "/p", "GET").status, 200);
  // As an older or newer berthd may have left them.
  const auto spoil = [&](json::value document) {
    on_server([&] {
      const auto present = entities.cached_entity(entity::Collection::kApis, "guest//b");
      const auto api =
          std::make_shared<entity::GatewayApi>(static_cast<const entity::GatewayApi&>(*present));
      api->parameters = {
          {.key = std::string(entity::GatewayApi::kDocument), .value = std::move(document)}};
      store::EntityChange change{.collection = entity::Collection::kApis};
      change.path = api->path();
      change.expected_revision = present->revision;
      change.put = api;
      entities.change_entities(io.get_executor(), {change},
                               [](const auto& changed) { EXPECT_TRUE(changed); });
      // It is read anew.
      auth.known.at("guest").namespace_uuid += "0";
    });
  };
  for (const json::value& broken :
       {json::value(json::object{{"basePath", "/b"}, {"paths", 7}}), json::value(nullptr)}) {
    spoil(broken);
    EXPECT_EQ(visit("/b/p").status, 404);
    EXPECT_EQ(visit("/good/p").status, 200);
    EXPECT_EQ(get(kManage + "getApi.http").json().at("apis").as_array().size(), 2u);
    EXPECT_EQ(get(kManage + "getApi.http?basepath=/b").json().at("apis").as_array().size(), 1u);
    EXPECT_EQ(post(kManage + "createKey.http?basepath=/b").status, 409);
    const int removed = remove(kManage + "deleteApi.http?basepath=/b&relpath=/p").status;
    EXPECT_EQ(removed, broken.is_null() ? 409 : 404);
    const Reply whole = post(
        kManage + "createApi.http",
        R"({"apidoc":{"swagger":{"swagger":"2.0","basePath":"/b","info":{"title":"B"},"paths":)"
        R"({"/p":{"get":{"x-openwhisk":{"url":"/api/v1/web/_/default/page.json"}}}}}}})");
    EXPECT_EQ(whole.status, 200) << whole.body;
    EXPECT_EQ(visit("/b/p").status, 200);
  }
  spoil(nullptr);
  EXPECT_EQ(add("/b", "/q", "GET").status, 409);
  EXPECT_EQ(remove(kManage + "deleteApi.http?basepath=/b").status, 200);
  EXPECT_EQ(get(kManage + "getApi.http").json().at("apis").as_array().size(), 1u);
}

}  // namespace
}  // namespace berth::api
