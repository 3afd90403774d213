// SPDX-License-Identifier: Apache-2.0
// Triggers, rules, and what happens when a trigger fires.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <future>

#include "api/remove_trigger.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

const std::string kSpace = "/api/v1/namespaces/_";
const std::string kTrigger = kSpace + "/triggers/t";
const std::string kRule = kSpace + "/rules/r";
const Headers kAsOther = {
    {"Authorization", basic("66666666-7777-4888-8999-000000000000:other-secret")}};

class TriggersTest : public ApiTest {
 protected:
  void make(const std::string& path, const std::string& body) {
    const Reply reply = put(path, body);
    ASSERT_EQ(reply.status, 200) << path << ' ' << reply.body;
  }
  // Trigger t, action hello, and rule r from the one to the other.
  void connect() {
    make(kTrigger, R"({"parameters":[{"key":"a","value":"trigger"},{"key":"t","value":1}]})");
    create("hello", R"(,"parameters":[{"key":"a","value":"action"},{"key":"own","value":2}])");
    make(kRule, R"({"trigger":"/_/t","action":"/_/hello","status":""})");
  }
  std::string status_of(const std::string& rule) {
    const json::value shown = get(kSpace + "/rules/" + rule).json();
    return std::string(shown.at("status").as_string());
  }
  json::value rules_of_trigger() {
    const json::value shown = get(kTrigger).json();
    const json::value* rules = shown.as_object().if_contains("rules");
    return rules == nullptr ? json::value() : *rules;
  }
  entity::Activation last_record_of(const std::string& name) {
    entity::Activation found;
    on_server([&] {
      for (const entity::Activation& record : activations.records) {
        if (record.name == name) found = record;
      }
    });
    return found;
  }
};

// As the clock has a trigger go whose alarm has rung for the last time.
class RemoveTriggerTest : public TriggersTest {
 protected:
  Status remove_now(const std::string& path, bool and_rules) {
    const auto answer = std::make_shared<std::promise<Status>>();
    on_server([&] {
      remove_trigger(io, entities, path, and_rules,
                     [answer](const Status& status) { answer->set_value(status); });
    });
    std::future<Status> future = answer->get_future();
    if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
      return sdk::deadline_exceeded("no answer");
    }
    return future.get();
  }
};

TEST_F(RemoveTriggerTest, AloneOrWithItsRules) {
  connect();
  EXPECT_TRUE(remove_now("guest/t", false).ok());
  EXPECT_EQ(get(kTrigger).status, 404);
  EXPECT_EQ(status_of("r"), "inactive") << "the rule is there, and has no trigger";
  EXPECT_EQ(remove(kRule).status, 200);
  make(kTrigger, "{}");
  make(kSpace + "/triggers/u", "{}");
  make(kRule, R"({"trigger":"/_/t","action":"/_/hello"})");
  make(kSpace + "/rules/other", R"({"trigger":"/_/u","action":"/_/hello"})");
  EXPECT_TRUE(remove_now("guest/t", true).ok());
  EXPECT_EQ(get(kTrigger).status, 404);
  EXPECT_EQ(get(kRule).status, 404);
  EXPECT_EQ(get(kSpace + "/rules/other").status, 200) << "of another trigger";
}

TEST_F(RemoveTriggerTest, WhatIsNotThereOrCannotBe) {
  create("hello");  // which starts the server, too
  EXPECT_TRUE(remove_now("guest/none", true).ok());
  EXPECT_TRUE(remove_now("guest/hello", true).ok()) << "something else has its name, and stays";
  EXPECT_EQ(get(kSpace + "/actions/hello").status, 200);
}

TEST_F(TriggersTest, AreCreatedReadUpdatedAndDeleted) {
  Reply reply = put(kTrigger, R"({"name":"t","parameters":[{"key":"q","value":1}],"limits":{}})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json::value shown = reply.json();
  EXPECT_EQ(shown.at("namespace"), "guest");
  EXPECT_EQ(shown.at("version"), "0.0.1");
  EXPECT_EQ(shown.at("limits"), json::value(json::object()));
  EXPECT_EQ(shown.at("parameters"), json::parse(R"([{"key":"q","value":1}])"));
  EXPECT_FALSE(shown.as_object().contains("rules"));
  EXPECT_EQ(put(kTrigger, "{}").error(), "resource already exists");
  reply = put(kTrigger + "?overwrite=true", R"({"annotations":[{"key":"x","value":1}]})");
  EXPECT_EQ(reply.json().at("version"), "0.0.2");
  EXPECT_EQ(reply.json().at("parameters"), json::parse(R"([{"key":"q","value":1}])"));
  EXPECT_EQ(get(kSpace + "/triggers").json().as_array().size(), 1u);
  EXPECT_EQ(get(kSpace + "/triggers?count=true").body, R"({"triggers":1})");
  EXPECT_EQ(remove(kTrigger).json().at("name"), "t");
  EXPECT_EQ(get(kTrigger).status, 404);
  EXPECT_EQ(remove(kTrigger).status, 404);
  EXPECT_EQ(post(kTrigger, "{}").status, 404);
}

TEST_F(TriggersTest, RefuseWhatCannotBe) {
  EXPECT_EQ(put(kTrigger, "[]").status, 400);
  EXPECT_EQ(put(kTrigger, "{}", {{"Content-Type", "text/plain"}}).status, 415);
  Reply reply = put(kTrigger, R"({"annotations":[{"key":"feed","value":"a b/?"}]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "Feed name is not valid");
  EXPECT_EQ(
      put(kTrigger, R"({"annotations":[{"key":"feed","value":"/whisk.system/alarms/alarm"}]})")
          .status,
      200);
  EXPECT_EQ(get("/api/v1/namespaces/guest/triggers/t", kAsOther).status, 403);
  EXPECT_EQ(get("/api/v1/namespaces/guest/triggers", kAsOther).status, 403);
  EXPECT_EQ(post("/api/v1/namespaces/guest/triggers/t", "{}", kAsOther).status, 403);
  create("action");
  reply = put(kSpace + "/triggers/action", "{}");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.error(), "Resource by this name exists but is not in this collection.");
}

TEST_F(TriggersTest, FiringInvokesTheActionsOfActiveRules) {
  connect();
  create("second");
  make(kSpace + "/rules/r2", R"({"trigger":"/guest/t","action":{"path":"_","name":"second"}})");
  const Reply reply = post(kTrigger, R"({"b":2,"t":"payload"})", {{"X-Custom", "Seen"}});
  ASSERT_EQ(reply.status, 202) << reply.body;
  const std::string id = reply.header("x-openwhisk-activation-id");
  EXPECT_EQ(reply.body, R"({"activationId":")" + id + "\"}");

  std::vector<activation::Invocation> seen;
  on_server([&] { seen = invoker.seen; });
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].action->path(), "guest/hello");
  EXPECT_EQ(seen[1].action->path(), "guest/second");
  EXPECT_FALSE(seen[0].blocking);
  const json::value arguments = json::parse(seen[0].arguments);
  EXPECT_EQ(arguments.at("a"), "trigger");
  EXPECT_EQ(arguments.at("own"), 2);
  EXPECT_EQ(arguments.at("b"), 2);
  EXPECT_EQ(arguments.at("t"), "payload");
  EXPECT_EQ(arguments.at("__ow_headers").at("x-custom"), "Seen");
  EXPECT_FALSE(arguments.at("__ow_headers").as_object().contains("authorization"));

  const entity::Activation record = last_record_of("t");
  EXPECT_EQ(record.activation_id, id);
  EXPECT_EQ(record.end_ms, 0);
  EXPECT_EQ(json::parse(record.result), json::parse(R"({"b":2,"t":"payload"})"));
  ASSERT_EQ(record.logs.size(), 2u);
  const json::value line = json::parse(record.logs[0]);
  EXPECT_EQ(line.at("rule"), "guest/r");
  EXPECT_EQ(line.at("action"), "guest/hello");
  EXPECT_EQ(line.at("statusCode"), 0);
  EXPECT_EQ(line.at("success"), true);
  EXPECT_EQ(line.at("activationId"), json::string(seen[0].activation_id));
  // Read by its id, it has no end and no duration.
  const json::value shown = get(kSpace + "/activations/" + id).json();
  EXPECT_FALSE(shown.as_object().contains("end"));
  EXPECT_EQ(shown.at("response").at("success"), true);
  EXPECT_EQ(shown.at("logs").as_array().size(), 2u);
}

TEST_F(TriggersTest, WithoutAnActiveRuleNothingHappens) {
  make(kTrigger, "{}");
  Reply reply = post(kTrigger, "{}");
  EXPECT_EQ(reply.status, 204);
  EXPECT_EQ(reply.body, "");

  create("hello");
  make(kRule, R"({"trigger":"/_/t","action":"/_/hello"})");
  EXPECT_EQ(post(kRule, R"({"status":"inactive","trigger":null,"action":null})").status, 200);
  EXPECT_EQ(post(kTrigger, "{}").status, 204);
  on_server([&] { EXPECT_TRUE(activations.records.empty()); });
}

TEST_F(TriggersTest, TheRecordTellsWhatDidNotRun) {
  connect();
  create("gone");
  create("third");
  make(kSpace + "/rules/r2", R"({"trigger":"/_/t","action":"/_/gone"})");
  make(kSpace + "/rules/r3", R"({"trigger":"/_/t","action":"/_/third"})");
  EXPECT_EQ(remove(kSpace + "/actions/gone").status, 200);
  EXPECT_EQ(post(kSpace + "/rules/r3", R"({"status":"inactive"})").status, 200);
  ASSERT_EQ(post(kTrigger).status, 202);
  const entity::Activation record = last_record_of("t");
  ASSERT_EQ(record.logs.size(), 3u);
  EXPECT_EQ(json::parse(record.logs[1]), json::parse(R"({"rule":"guest/r2","action":"guest/gone",
    "statusCode":1,"success":false,"error":"The requested resource does not exist."})"));
  EXPECT_EQ(json::parse(record.logs[2]), json::parse(R"({"rule":"guest/r3","action":"guest/third",
    "statusCode":1,"success":false,
    "error":"Rule 'guest/r3' is inactive, action 'guest/third' was not activated."})"));
  EXPECT_EQ(record.result, "{}");
}

TEST_F(TriggersTest, FiresAreLimited) {
  throttles.fires_per_minute = 2;
  connect();
  EXPECT_EQ(post(kTrigger, "{}").status, 202);
  EXPECT_EQ(post(kTrigger, "{}").status, 202);
  const Reply reply = post(kTrigger, "{}");
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.error(), "Too many requests in the last minute (count: 3, allowed: 2).");
  // Of its own, not of the invocations.
  EXPECT_EQ(post(kSpace + "/actions/hello", "{}").status, 202);
}

TEST_F(TriggersTest, RulesUseUpTheLimitOfInvocations) {
  throttles.invocations_per_minute = 1;
  connect();
  EXPECT_EQ(post(kTrigger, "{}").status, 202);
  EXPECT_EQ(post(kTrigger, "{}").status, 202);
  const json::value line = json::parse(last_record_of("t").logs.at(0));
  EXPECT_EQ(line.at("success"), false);
  EXPECT_EQ(line.at("error"), "Too many requests in the last minute (count: 2, allowed: 1).");
}

TEST_F(TriggersTest, PayloadsAreChecked) {
  connect();
  EXPECT_EQ(post(kTrigger, "3").status, 400);
  EXPECT_EQ(post(kTrigger, "{").status, 400);
  EXPECT_EQ(post(kTrigger, "x", {{"Content-Type", "text/plain"}}).status, 415);
  on_server([&] { EXPECT_TRUE(invoker.seen.empty()); });
}

TEST_F(TriggersTest, RulesAreCreatedReadUpdatedAndDeleted) {
  connect();
  Reply reply = get(kRule);
  ASSERT_EQ(reply.status, 200);
  json::object shown = reply.json().as_object();
  EXPECT_EQ(shown["status"], "active");
  EXPECT_EQ(shown["trigger"], json::parse(R"({"path":"guest","name":"t"})"));
  EXPECT_EQ(shown["action"], json::parse(R"({"path":"guest","name":"hello"})"));
  EXPECT_EQ(rules_of_trigger(), json::parse(R"({"guest/r":{"status":"active",
    "action":{"path":"guest","name":"hello"}}})"));

  EXPECT_EQ(put(kRule, R"({"trigger":"/_/t","action":"/_/hello"})").error(),
            "resource already exists");
  // An update keeps the status, and may move to another trigger.
  EXPECT_EQ(post(kRule, R"({"status":"inactive"})").status, 200);
  make(kSpace + "/triggers/t2", "{}");
  reply = put(kRule + "?overwrite=true", R"({"trigger":"/_/t2"})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("status"), "inactive");
  EXPECT_EQ(reply.json().at("version"), "0.0.2");
  EXPECT_TRUE(rules_of_trigger().is_null());
  EXPECT_EQ(status_of("r"), "inactive");
  EXPECT_EQ(get(kSpace + "/rules?count=true").body, R"({"rules":1})");

  reply = remove(kRule);
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json().at("status"), "inactive");
  EXPECT_EQ(get(kRule).status, 404);
  EXPECT_FALSE(get(kSpace + "/triggers/t2").json().as_object().contains("rules"));
}

TEST_F(TriggersTest, StatusesAreSetAsOftenAsOneLikes) {
  connect();
  for (const char* status : {"active", "inactive", "inactive", "active"}) {
    const Reply reply = post(kRule, std::string(R"({"status":")") + status + "\"}");
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.body, "");
    EXPECT_EQ(status_of("r"), status);
  }
  EXPECT_EQ(post(kRule, R"({"status":"maybe"})").status, 400);
  EXPECT_EQ(post(kRule, "{}").status, 400);
  EXPECT_EQ(post(kSpace + "/rules/none", R"({"status":"active"})").status, 404);
}

TEST_F(TriggersTest, ARuleOutlivesItsTrigger) {
  connect();
  EXPECT_EQ(remove(kTrigger).status, 200);
  EXPECT_EQ(status_of("r"), "inactive");
  EXPECT_EQ(post(kRule, R"({"status":"inactive"})").status, 200);
  Reply reply = post(kRule, R"({"status":"active"})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.error(), "Only rules with existing triggers can be activated");
  // A new one of that name knows nothing of the rule until it is activated.
  make(kTrigger, "{}");
  EXPECT_TRUE(rules_of_trigger().is_null());
  EXPECT_EQ(post(kRule, R"({"status":"active"})").status, 200);
  EXPECT_EQ(status_of("r"), "active");
  EXPECT_EQ(remove(kTrigger).status, 200);
  EXPECT_EQ(remove(kRule).status, 200);
}

TEST_F(TriggersTest, RulesAreChecked) {
  connect();
  const std::string rule = kSpace + "/rules/new";
  EXPECT_EQ(put(rule, "{}").error(), "rule requires a valid trigger and a valid action");
  EXPECT_EQ(put(rule, R"({"trigger":"/_/t"})").status, 400);
  Reply reply = put(rule, R"({"trigger":"/_/none","action":"/_/hello"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "trigger /guest/none does not exist");
  reply = put(rule, R"({"trigger":"/_/t","action":"/_/none"})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.error(), "action /guest/none does not exist");
  EXPECT_EQ(put(rule, R"({"trigger":"/other/t","action":"/_/hello"})").status, 403);
  EXPECT_EQ(put(rule, R"({"trigger":"/_/t","action":"/other/hello"})").status, 403);
  EXPECT_EQ(put(rule, R"({"trigger":3,"action":"/_/hello"})").status, 400);
  EXPECT_EQ(put(rule, R"({"trigger":"/_/t","action":"/_/a b?"})").status, 400);
  EXPECT_EQ(put(kSpace + "/rules/t", R"({"trigger":"/_/t","action":"/_/hello"})").status, 409);
  EXPECT_EQ(get("/api/v1/namespaces/guest/rules/r", kAsOther).status, 403);
}

TEST_F(TriggersTest, ARuleMayRunAnActionOfAPackage) {
  make(kTrigger, "{}");
  make(kSpace + "/packages/p", R"({"parameters":[{"key":"from","value":"package"}]})");
  create("p/hello");
  make(kRule, R"({"trigger":"t","action":"p/hello"})");
  EXPECT_EQ(get(kRule).json().at("action"), json::parse(R"({"path":"guest/p","name":"hello"})"));
  ASSERT_EQ(post(kTrigger, "{}").status, 202);
  on_server([&] { EXPECT_EQ(json::parse(invoker.seen.at(0).arguments).at("from"), "package"); });
}

}  // namespace
}  // namespace berth::api
