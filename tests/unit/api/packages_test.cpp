// SPDX-License-Identifier: Apache-2.0
// Packages and bindings, and actions in them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "fixture.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

const std::string kPackages = "/api/v1/namespaces/_/packages";
const std::string kActions = "/api/v1/namespaces/_/actions";
const Headers kAsOther = {{"Authorization", basic("66666666-7777-4888-8999-000000000000:"
                                                  "other-secret")}};

class PackagesTest : public ApiTest {
 protected:
  // The parameters of an entity as one object.
  static json::object parameters_of(const Reply& reply) {
    json::object all;
    const json::value shown = reply.json();
    for (const json::value& entry : shown.at("parameters").as_array()) {
      all[entry.at("key").as_string()] = entry.at("value");
    }
    return all;
  }
  void make(const std::string& name, const std::string& body = "{}") {
    const Reply reply = put(kPackages + "/" + name, body);
    ASSERT_EQ(reply.status, 200) << reply.body;
  }
  // A public package of guest's with one action, bound by other.
  void share() {
    make("lib", R"({"publish":true,"parameters":[{"key":"a","value":"lib"},
      {"key":"b","value":"lib"},{"key":"c","value":"lib"},{"key":"d","value":"lib"}]})");
    create("lib/hello",
           R"(,"parameters":[{"key":"c","value":"action"},{"key":"d","value":"action"}])");
    const Reply bound = put(
        kPackages + "/mine",
        R"({"binding":{"namespace":"guest","name":"lib"},"parameters":[{"key":"b","value":"mine"}]})",
        kAsOther);
    ASSERT_EQ(bound.status, 200) << bound.body;
  }
};

TEST_F(PackagesTest, WhatNoKeyOpensIsReplacedAndDeleted) {
  const std::string triggers = "/api/v1/namespaces/_/triggers";
  const std::string body = R"({"parameters":[{"key":"p","value":1}]})";
  make("p", body);
  ASSERT_EQ(put(triggers + "/t", body).status, 200);
  entities.use_cache = false;
  entities.refuse_get = sdk::data_loss("no key opens it");
  for (const std::string& path : {kPackages + "/p", triggers + "/t"}) {
    EXPECT_EQ(get(path).status, 500) << path;
    EXPECT_EQ(put(path + "?overwrite=true", R"({"publish":true})").status, 500) << path;
    EXPECT_EQ(put(path + "?overwrite=true", body).status, 200) << path;
    EXPECT_EQ(remove(path).status, 200) << path;
  }
  entities.refuse_get = Status();
  EXPECT_EQ(get(kPackages + "/p").status, 404);
  EXPECT_EQ(get(triggers + "/t").status, 404);
}

// Before any of it is read: it is no JSON.
TEST_F(PackagesTest, ABodyLargerThanItsListsCanBeIsRefusedUnread) {
  bounds.max_parameters_bytes = bounds.max_annotations_bytes = 1000;
  const std::string body(4000 + (1u << 20) + 1, '[');
  const std::string space = "/api/v1/namespaces/_/";
  for (const char* path : {"packages/p", "triggers/t", "rules/r"}) {
    const Reply reply = put(space + path, body);
    EXPECT_EQ(reply.status, 413) << path;
    EXPECT_EQ(reply.error(), "Request larger than allowed: 1052577 > 1052576 bytes.");
  }
  EXPECT_EQ(post(space + "rules/r", body).status, 413);
}

TEST_F(PackagesTest, AreCreatedReadUpdatedAndDeleted) {
  Reply reply = put(kPackages + "/demo", R"({"parameters":[{"key":"p","value":1}],
    "annotations":[{"key":"x","value":"y"}],"namespace":"_","name":"ignored"})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  json::object shown = reply.json().as_object();
  EXPECT_EQ(shown["namespace"], "guest");
  EXPECT_EQ(shown["name"], "demo");
  EXPECT_EQ(shown["version"], "0.0.1");
  EXPECT_EQ(shown["publish"], false);
  EXPECT_EQ(shown["binding"], json::value(json::object()));
  EXPECT_EQ(shown["parameters"], json::parse(R"([{"key":"p","value":1}])"));
  EXPECT_EQ(shown["annotations"], json::parse(R"([{"key":"x","value":"y"}])"));

  EXPECT_EQ(put(kPackages + "/demo", "{}").error(), "resource already exists");
  reply = put(kPackages + "/demo?overwrite=true", R"({"publish":true})");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json().at("version"), "0.0.2");
  EXPECT_EQ(reply.json().at("parameters"), json::parse(R"([{"key":"p","value":1}])"));

  create("demo/hello");
  create("demo/tick", R"(,"annotations":[{"key":"feed","value":true}])");
  reply = get(kPackages + "/demo");
  ASSERT_EQ(reply.status, 200);
  shown = reply.json().as_object();
  EXPECT_EQ(shown["actions"].as_array().size(), 1u);
  EXPECT_EQ(shown["actions"].at(0).at("name"), "hello");
  EXPECT_EQ(shown["actions"].at(0).at("version"), "0.0.1");
  EXPECT_EQ(shown["feeds"].at(0).at("name"), "tick");

  reply = remove(kPackages + "/demo");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.error(),
            "Package not empty (contains 2 entities). Set force param or delete package contents.");
  reply = remove(kPackages + "/demo?force=true");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json().at("name"), "demo");
  EXPECT_EQ(get(kPackages + "/demo").status, 404);
  EXPECT_EQ(get(kActions + "/demo/hello").status, 404);
  EXPECT_EQ(remove(kPackages + "/demo").status, 404);
}

TEST_F(PackagesTest, RefuseWhatCannotBe) {
  EXPECT_EQ(put(kPackages + "/default", "{}").error(), "Package name 'default' is reserved.");
  EXPECT_EQ(put(kPackages + "/a%2Fb", "{}").status, 400);
  EXPECT_EQ(put(kPackages + "/p", "[]").status, 400);
  EXPECT_EQ(put(kPackages + "/p", R"({"binding":3})").status, 400);
  EXPECT_EQ(put(kPackages + "/p", R"({"version":"x"})").status, 400);
  EXPECT_EQ(put(kPackages + "/p", "{}", {{"Content-Type", "text/plain"}}).status, 415);
  EXPECT_EQ(post(kPackages + "/p", "{}").status, 405);
  EXPECT_EQ(get(kPackages + "/p").status, 404);
  create("taken");
  const Reply reply = put(kPackages + "/taken", "{}");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.error(), "Resource by this name exists but is not in this collection.");
  EXPECT_EQ(get(kPackages + "/taken").status, 409);
  make("pkg");
  EXPECT_EQ(get(kActions + "/pkg").status, 409);
}

TEST_F(PackagesTest, ListsAndCounts) {
  make("one");
  make("two", R"({"publish":true})");
  make("three", R"({"binding":{"namespace":"_","name":"two"},"publish":true})");
  Reply reply = get(kPackages + "?limit=2");
  ASSERT_EQ(reply.json().as_array().size(), 2u);
  EXPECT_EQ(reply.json().at(0).at("name"), "three");
  EXPECT_EQ(reply.json().at(0).at("binding"), json::parse(R"({"namespace":"guest","name":"two"})"));
  EXPECT_EQ(reply.json().at(1).at("binding"), false);
  EXPECT_FALSE(reply.json().at(0).as_object().contains("parameters"));
  EXPECT_EQ(get(kPackages + "?count=true").body, R"({"packages":3})");
  // Strangers see what is public and stands for nothing else.
  reply = get("/api/v1/namespaces/guest/packages", kAsOther);
  ASSERT_EQ(reply.json().as_array().size(), 1u);
  EXPECT_EQ(reply.json().at(0).at("name"), "two");
  EXPECT_EQ(get(kPackages + "?limit=201").error(),
            "The value '201' is not in the range of 0 to 200 for packages.");
}

TEST_F(PackagesTest, HoldActions) {
  EXPECT_EQ(put(kActions + "/demo/hello", R"({"exec":{"kind":"nodejs:20","code":"x"}})").status,
            404);
  make("demo", R"({"parameters":[{"key":"a","value":1},{"key":"b","value":1}]})");
  create("demo/hello", R"(,"parameters":[{"key":"b","value":2}])");
  create("alone");
  Reply reply = get(kActions + "/demo/hello");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json().at("namespace"), "guest/demo");
  EXPECT_EQ(reply.json().at("name"), "hello");
  EXPECT_EQ(parameters_of(reply), json::parse(R"({"a":1,"b":2})").as_object());
  // An update is one of what is stored, not of what is shown.
  reply = put(kActions + "/demo/hello?overwrite=true", R"({"publish":true})");
  EXPECT_EQ(parameters_of(reply), json::parse(R"({"b":2})").as_object());

  reply = post(kActions + "/demo/hello?blocking=true&result=true", R"({"c":3})");
  EXPECT_EQ(reply.json(), json::parse(R"({"a":1,"b":2,"c":3})"));
  EXPECT_EQ(get(kActions).json().as_array().size(), 2u);
  reply = get(kActions + "/demo/");
  ASSERT_EQ(reply.json().as_array().size(), 1u);
  EXPECT_EQ(reply.json().at(0).at("namespace"), "guest/demo");
  EXPECT_EQ(get(kActions + "/demo/?count=true").body, R"({"actions":1})");
  EXPECT_EQ(get(kActions + "/none/").status, 404);

  reply = remove(kActions + "/demo/hello");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(parameters_of(reply), json::parse(R"({"b":2})").as_object());
  EXPECT_EQ(get(kActions + "/demo/hello").status, 404);
}

TEST_F(PackagesTest, NewParametersOfAPackageCountAtOnce) {
  make("demo", R"({"parameters":[{"key":"a","value":1}]})");
  create("demo/hello");
  const std::string call = kActions + "/demo/hello?blocking=true&result=true";
  EXPECT_EQ(post(call).json(), json::parse(R"({"a":1})"));
  std::uint64_t before = 0;
  on_server([&] { before = invoker.seen.back().action->revision; });
  put(kPackages + "/demo?overwrite=true", R"({"parameters":[{"key":"a","value":2}]})");
  EXPECT_EQ(post(call).json(), json::parse(R"({"a":2})"));
  // And warm containers are not reused that were given the old ones.
  on_server([&] { EXPECT_NE(invoker.seen.back().action->revision, before); });
}

TEST_F(PackagesTest, BindingsStandForAnotherPackage) {
  share();
  const std::string bound = "/api/v1/namespaces/_/packages/mine";
  Reply reply = get(bound, kAsOther);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("namespace"), "other");
  EXPECT_EQ(reply.json().at("binding"), json::parse(R"({"namespace":"guest","name":"lib"})"));
  EXPECT_EQ(parameters_of(reply),
            json::parse(R"({"a":"lib","b":"mine","c":"lib","d":"lib"})").as_object());
  EXPECT_EQ(reply.json().at("annotations"),
            json::parse(R"([{"key":"binding","value":{"namespace":"guest","name":"lib"}}])"));
  EXPECT_EQ(reply.json().at("actions").at(0).at("name"), "hello");

  reply = get(kActions + "/mine/hello", kAsOther);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("namespace"), "guest/lib");
  EXPECT_EQ(parameters_of(reply),
            json::parse(R"({"a":"lib","b":"mine","c":"action","d":"action"})").as_object());
  EXPECT_EQ(get(kActions + "/mine/", kAsOther).json().as_array().size(), 1u);

  reply = post(kActions + "/mine/hello?blocking=true&result=true", R"({"d":"payload"})", kAsOther);
  EXPECT_EQ(reply.json(), json::parse(R"({"a":"lib","b":"mine","c":"action","d":"payload"})"));
  on_server([&] {
    const auto& invocation = invoker.seen.back();
    EXPECT_EQ(invocation.user.namespace_name, "other");
    EXPECT_EQ(invocation.action->path(), "guest/lib/hello");
    EXPECT_EQ(invocation.action->binding, "other/mine");
  });
  const std::string body = R"({"exec":{"kind":"nodejs:20","code":"x"}})";
  reply = put(kActions + "/mine/new", body, kAsOther);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "Operation not permitted on package binding.");
  EXPECT_EQ(request("DELETE", kActions + "/mine/hello", kAsOther).status, 400);
}

TEST_F(PackagesTest, BindingsAreChecked) {
  share();
  Reply reply = put(kPackages + "/b", R"({"binding":{"namespace":"_","name":"none"}})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "Binding references a package that does not exist.");
  reply = put(kPackages + "/b", R"({"binding":{"namespace":"_","name":"mine"}})", kAsOther);
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "Cannot bind to another package binding.");
  create("action");
  reply = put(kPackages + "/b", R"({"binding":{"namespace":"_","name":"action"}})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.error(), "Cannot bind to a resource that is not a package.");
  reply = put(kPackages + "/lib?overwrite=true", R"({"binding":{"namespace":"_","name":"lib"}})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.error(), "Resource is a package and cannot be converted into a binding.");
  // The annotation is ours to give, also to one that another binding makes out of it.
  reply = put(kPackages + "/mine?overwrite=true",
              R"({"annotations":[{"key":"binding","value":"forged"}]})", kAsOther);
  EXPECT_EQ(reply.json().at("annotations"),
            json::parse(R"([{"key":"binding","value":{"namespace":"guest","name":"lib"}}])"));
  make("private");
  reply = put(kPackages + "/b", R"({"binding":{"namespace":"guest","name":"private"}})", kAsOther);
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(
      put(kPackages + "/b", R"({"binding":{"namespace":"guest","name":"none"}})", kAsOther).status,
      403);
  // {} is none.
  EXPECT_EQ(put(kPackages + "/plain", R"({"binding":{}})").json().at("binding"),
            json::value(json::object()));
}

TEST_F(PackagesTest, WhatIsNotPublicIsNotForOthers) {
  share();
  const std::string theirs = "/api/v1/namespaces/guest";
  EXPECT_EQ(get(theirs + "/packages/lib", kAsOther).status, 200);
  EXPECT_EQ(get(theirs + "/actions/lib/hello", kAsOther).status, 200);
  EXPECT_EQ(get(theirs + "/actions/lib/", kAsOther).status, 200);
  EXPECT_EQ(post(theirs + "/actions/lib/hello", "{}", kAsOther).status, 202);
  EXPECT_EQ(get(theirs + "/actions/lib/none", kAsOther).status, 404);

  for (const char* path : {"/packages/none", "/actions/none/x", "/actions/hello"}) {
    EXPECT_EQ(get(theirs + path, kAsOther).status, 403) << path;
  }
  EXPECT_EQ(put(theirs + "/packages/new", "{}", kAsOther).status, 403);
  EXPECT_EQ(request("DELETE", theirs + "/packages/lib", kAsOther).status, 403);
  EXPECT_EQ(request("DELETE", theirs + "/actions/lib/hello", kAsOther).status, 403);

  put(kPackages + "/lib?overwrite=true", R"({"publish":false})");
  Reply reply = get(theirs + "/packages/lib", kAsOther);
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.error(), "The supplied authentication is not authorized to access 'guest/lib'.");
  // Neither directly nor by a binding made before.
  EXPECT_EQ(get(theirs + "/actions/lib/hello", kAsOther).status, 403);
  EXPECT_EQ(get(kActions + "/mine/hello", kAsOther).status, 403);
  EXPECT_EQ(post(kActions + "/mine/hello", "{}", kAsOther).status, 403);
}

// As OpenWhisk has it: who is blocked gets in no more; what was given to all stays theirs.
TEST_F(PackagesTest, OfABlockedNamespaceAreThereForOthers) {
  share();
  const std::string theirs = "/api/v1/namespaces/guest";
  on_server([&] { auth.known.at("guest").blocked = true; });
  EXPECT_EQ(get(theirs + "/packages/lib", kAsOther).status, 200);
  for (const std::string& path : {theirs + "/actions/lib/hello", kActions + "/mine/hello"}) {
    EXPECT_EQ(post(path + "?blocking=true", "{}", kAsOther).status, 200) << path;
  }
}

TEST_F(PackagesTest, WebActionsAreReachedByTheirPackage) {
  make("site", R"({"parameters":[{"key":"from","value":"package"}]})");
  create("site/page", R"(,"annotations":[{"key":"web-export","value":true}])");
  const Reply reply = request("GET", "/api/v1/web/guest/site/page.json?x=1", {});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("from"), "package");
  EXPECT_EQ(reply.json().at("x"), "1");
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/page.json", {}).status, 404);
  EXPECT_EQ(request("GET", "/api/v1/web/guest/site/none.json", {}).status, 404);
}

}  // namespace
}  // namespace berth::api
