// SPDX-License-Identifier: Apache-2.0
// Plans: what a project file and a server's entities make of each other.
#include "deploy_plan.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "exit_code.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

class Plan : public ::testing::Test {
 protected:
  Plan() {
    project.name = "demo";
    project.file = "p.yaml";
    facts.space = "guest";
    facts.default_kinds = {{"python:default", "python:3.11"}};
    action.kind = EntityKind::kAction;
    action.name = "p/a";
    action.line = 7;
    action.exec =
        json::parse(R"({"kind":"python:default","code":"one\ntwo","binary":false})").as_object();
    action.inputs = {{"n", 1}};
    action.annotations = {{kProjectAnnotation, "demo"}};
    on_server = json::parse(R"({"namespace":"guest/p","name":"a","publish":false,
        "exec":{"kind":"python:3.11","code":"one\ntwo","binary":false},
        "parameters":[{"key":"n","value":1}],
        "annotations":[{"key":"berth-project","value":"demo"},{"key":"exec","value":"python:3.11"},
                       {"key":"provide-api-key","value":false}],
        "limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1}})");
  }

  Change plan(const ProjectEntity& wanted, const json::value& current,
              const json::value& config = nullptr) {
    return plan_change(project, wanted, current, facts, config);
  }
  // One line for each difference.
  static std::string differences(const Change& change) {
    std::string out;
    for (const Difference& one : change.differences) {
      out += one.what + ": '" + one.before + "' '" + one.after + "'\n";
    }
    return out;
  }

  Project project;
  ServerFacts facts;
  ProjectEntity action;
  json::value on_server;
};

TEST_F(Plan, CreatesWhatIsNotThere) {
  const Change change = plan(action, nullptr);
  EXPECT_EQ(change.verb, Verb::kCreate);
  EXPECT_EQ(json::value(change.body),
            json::parse(R"({"exec":{"kind":"python:default","code":"one\ntwo","binary":false},
                            "parameters":[{"key":"n","value":1}],
                            "annotations":[{"key":"berth-project","value":"demo"}]})"));
}

TEST_F(Plan, LeavesWhatIsAsItShouldBe) {
  const Change change = plan(action, on_server);
  EXPECT_EQ(change.verb, Verb::kUnchanged) << differences(change);
}

TEST_F(Plan, ShowsWhatDiffersInAnAction) {
  action.exec["code"] = "one\n2";
  action.exec["main"] = "go";
  action.inputs = {{"m", "x"}, {"n", 2}};
  action.limits = {{"timeout", 5000}, {"memory", 256}};
  on_server.at("annotations")
      .as_array()
      .push_back(json::parse(R"({"key":"web-export","value":true})"));
  const Change change = plan(action, on_server);
  EXPECT_EQ(change.verb, Verb::kUpdate);
  EXPECT_EQ(differences(change),
            "main: '' 'go'\n"
            "code: '7 bytes' '5 bytes, from line 2'\n"
            "limit timeout: '60000' '5000'\n"
            "input m: '' '\"x\"'\n"
            "input n: '1' '2'\n"
            "annotation web-export: 'true' ''\n");
  EXPECT_EQ(change.body.at("delAnnotations"), json::parse(R"(["web-export"])"));
}

TEST_F(Plan, LooksThroughThePackagesParameters) {
  on_server.at("parameters").as_array().push_back(json::parse(R"({"key":"k","value":"v"})"));
  EXPECT_EQ(differences(plan(action, on_server)), "input k: '(not shown)' ''\n");
  facts.package_parameters["p"] = {{"k", "v"}, {"n", 5}};
  EXPECT_EQ(differences(plan(action, on_server)), "");
}

TEST_F(Plan, DoesNotShowTheEnvironment) {
  action.inputs = {{"n", "new-secret"}};
  action.hidden = {"n"};
  on_server.at("parameters") = json::parse(R"([{"key":"n","value":"old-secret"}])");
  const Change change = plan(action, on_server);
  const std::string shown = show_plan({change}) + json::serialize(to_json("demo", {change}, false));
  EXPECT_EQ(shown.find("secret"), std::string::npos) << shown;
  EXPECT_EQ(change.body.at("parameters"), json::parse(R"([{"key":"n","value":"new-secret"}])"));
}

TEST_F(Plan, SendsAgainWhatTheServerShowsEncrypted) {
  on_server.at("parameters") =
      json::parse(R"([{"key":"n","value":"AAAA","encryption":"aes-256"}])");
  EXPECT_EQ(differences(plan(action, on_server)),
            "input n: '(encrypted: cannot be compared)' '1'\n");
}

TEST_F(Plan, KeepsToItsOwnProject) {
  on_server.at("annotations").as_array()[0].at("value") = "other";
  for (const char* name : {"demo", ""}) {
    project.name = name;
    try {
      plan(action, on_server);
      FAIL() << "planned to take another project's action";
    } catch (const Exit& end) {
      EXPECT_EQ(end.code(), ExitCode::kConflict);
      EXPECT_TRUE(std::string(end.what()).starts_with("p.yaml:7: action 'p/a' is of the project"));
    }
  }
}

TEST_F(Plan, ComparesSequencesByFullNames) {
  ProjectEntity sequence = action;
  sequence.inputs = {};
  sequence.exec = json::parse(R"({"kind":"sequence","components":["/_/p/a","/x/b"]})").as_object();
  on_server = json::parse(R"({"exec":{"kind":"sequence","components":["/guest/p/a","/x/b"]},
      "parameters":[{"key":"_actions","value":["/guest/p/a","/x/b"]}],
      "annotations":[{"key":"berth-project","value":"demo"},{"key":"exec","value":"sequence"}]})");
  EXPECT_EQ(differences(plan(sequence, on_server)), "");
  sequence.exec.at("components").as_array().pop_back();
  EXPECT_EQ(differences(plan(sequence, on_server)),
            "actions: '[\"/guest/p/a\",\"/x/b\"]' '[\"/guest/p/a\"]'\n");
}

TEST_F(Plan, ComparesPackagesAndRules) {
  ProjectEntity package;
  package.kind = EntityKind::kPackage;
  package.name = "p";
  const json::value shared = json::parse(
      R"({"publish":true,"parameters":[],"annotations":[{"key":"binding","value":{}}]})");
  EXPECT_EQ(differences(plan(package, shared)), "public: 'true' 'false'\n");
  package.is_public = true;
  EXPECT_EQ(plan(package, shared).verb, Verb::kUnchanged);

  ProjectEntity rule;
  rule.kind = EntityKind::kRule;
  rule.name = "r";
  rule.trigger = "/_/t";
  rule.action = "/_/p/a";
  const json::value there = json::parse(R"({"annotations":[],"trigger":{"path":"guest","name":"t"},
      "action":{"path":"guest/p","name":"b"}})");
  const Change change = plan(rule, there);
  EXPECT_EQ(differences(change), "action: '/guest/p/b' '/guest/p/a'\n");
  EXPECT_EQ(json::value(change.body),
            json::parse(R"({"trigger":"/_/t","action":"/_/p/a","annotations":[]})"));
}

TEST_F(Plan, TellsFeedsWhatIsNew) {
  ProjectEntity trigger;
  trigger.kind = EntityKind::kTrigger;
  trigger.name = "t";
  trigger.feed = "/whisk.system/alarms/alarm";
  trigger.inputs = {{"cron", "* * * * *"}};
  Change change = plan(trigger, nullptr);
  EXPECT_TRUE(change.feed_differs);
  EXPECT_EQ(change.body.at("parameters"), json::array());
  EXPECT_EQ(change.feed_inputs, trigger.inputs);
  const json::value there = json::parse(
      R"({"parameters":[],"annotations":[{"key":"feed","value":"/whisk.system/alarms/alarm"}]})");
  change = plan(trigger, there, json::parse(R"({"cron":"* * * * *","more":1})"));
  EXPECT_EQ(change.verb, Verb::kUnchanged);
  change = plan(trigger, there, json::parse(R"({"cron":"0 * * * *"})"));
  EXPECT_EQ(differences(change), "input cron: '\"0 * * * *\"' '\"* * * * *\"'\n");
  EXPECT_TRUE(change.feed_differs);
  EXPECT_FALSE(change.feed_is_new);
  trigger.feed = "/_/p/feed";
  change = plan(trigger, there);
  EXPECT_EQ(change.old_feed, "/whisk.system/alarms/alarm");
  EXPECT_TRUE(change.feed_is_new);
  trigger.feed = "";
  change = plan(trigger, there);
  EXPECT_EQ(change.old_feed, "/whisk.system/alarms/alarm");
  EXPECT_FALSE(change.feed_differs);
}

TEST_F(Plan, ComparesApisByTheirOperations) {
  ProjectEntity api;
  api.kind = EntityKind::kApi;
  api.name = "/club";
  api.title = "Club";
  api.operations = {{"/books", "GET", "/_/p/a", "json"}, {"/books", "PUT", "/_/b", "http"}};
  Change change = plan(api, nullptr);
  EXPECT_EQ(change.verb, Verb::kCreate);
  EXPECT_EQ(differences(change),
            "GET /books: '' '/guest/p/a (json)'\nPUT /books: '' '/guest/b (http)'\n");
  ASSERT_EQ(change.calls.size(), 2u);
  EXPECT_EQ(change.calls[1].path,
            "/api/v1/web/whisk.system/apimgmt/createApi.http?responsetype=http");
  EXPECT_EQ(json::parse(change.calls[1].body), json::parse(R"({"apidoc":{"namespace":"_",
      "gatewayBasePath":"/club","gatewayPath":"/books","gatewayMethod":"PUT","apiName":"Club",
      "project":"demo","action":{"namespace":"guest","name":"b"}}})"));

  json::value document = json::parse(R"({"basePath":"/club","x-berth-project":"demo","paths":{
    "/books":{"get":{"x-openwhisk":{"namespace":"guest","package":"p","action":"a",
                                    "url":"http://h/api/v1/web/guest/p/a.json"}},
              "put":{"x-openwhisk":{"namespace":"guest","package":"default","action":"b",
                                    "url":"http://h/api/v1/web/guest/default/b.http"}},
              "parameters":[]}}})");
  EXPECT_EQ(plan(api, document).verb, Verb::kUnchanged);
  api.cors = true;
  EXPECT_EQ(plan(api, document).verb, Verb::kUnchanged) << "as it is without a word";

  // One goes, one is another, one comes; those that go go last.
  api.operations = {{"/books", "PUT", "/_/b", "json"}, {"/more", "GET", "/_/b", "json"}};
  change = plan(api, document);
  EXPECT_EQ(change.verb, Verb::kUpdate);
  EXPECT_EQ(differences(change),
            "PUT /books: '/guest/b (http)' '/guest/b (json)'\n"
            "GET /more: '' '/guest/b (json)'\nGET /books: '/guest/p/a (json)' ''\n");
  ASSERT_EQ(change.calls.size(), 3u);
  EXPECT_EQ(change.calls[2].method, "DELETE");
  EXPECT_TRUE(change.calls[2].path.ends_with("?basepath=%2Fclub&relpath=%2Fbooks&operation=GET"))
      << change.calls[2].path;

  // What is of the API as a whole is said with an operation.
  api.operations = {{"/books", "GET", "/_/p/a", "json"}, {"/books", "PUT", "/_/b", "http"}};
  api.cors = false;
  change = plan(api, document);
  EXPECT_EQ(differences(change), "cors: 'true' 'false'\n");
  ASSERT_EQ(change.calls.size(), 1u);
  EXPECT_EQ(json::parse(change.calls[0].body).at("apidoc").at("cors"), false);
  document.as_object()["x-berth-project"] = "other";
  EXPECT_THROW(plan(api, document), Exit);
}

TEST_F(Plan, ASecretIsMadeOnceAndKept) {
  action.has_secret = true;
  const auto secret_of = [](const Change& change) {
    const json::value body(change.body);
    return to_object(body, "annotations").at("require-whisk-auth");
  };
  const Change made = plan(action, on_server);
  EXPECT_EQ(differences(made), "annotation require-whisk-auth: '' '(hidden)'\n");
  EXPECT_EQ(secret_of(made).as_string().size(), 64u);
  EXPECT_NE(secret_of(made), secret_of(plan(action, on_server)));
  json::object mark{{"key", "require-whisk-auth"}, {"value", secret_of(made)}};
  on_server.at("annotations").as_array().emplace_back(mark);
  EXPECT_EQ(plan(action, on_server).verb, Verb::kUnchanged);
  action.limits["memory"] = 128;
  EXPECT_EQ(secret_of(plan(action, on_server)), secret_of(made));
}

TEST_F(Plan, DeletesOnlyWhatIsOfTheProject) {
  project.entities.push_back(action);
  const auto listed = [](const char* space, const char* name, const char* owner) {
    return json::value{{"namespace", space},
                       {"name", name},
                       {"annotations", {{{"key", "berth-project"}, {"value", owner}}}}};
  };
  const std::map<EntityKind, json::array> lists = {
      {EntityKind::kPackage, {listed("guest", "p", "demo"), listed("guest", "q", "other")}},
      {EntityKind::kAction,
       {listed("guest/p", "a", "demo"), listed("guest", "a", "demo"),
        json::parse(R"({"namespace":"guest","name":"free","annotations":[]})")}},
      {EntityKind::kRule, {listed("guest", "r", "demo")}},
      {EntityKind::kApi, {listed("", "/club", "demo"), listed("", "/other", "")}},
  };
  std::vector<std::string> names;
  for (const Change& change : plan_deletions(project, lists)) {
    EXPECT_EQ(change.verb, Verb::kDelete);
    names.push_back(std::string(word_of(change.kind)) + ' ' + change.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"api /club", "rule r", "action a", "package p"}));
}

TEST_F(Plan, ShowsOneLineForEachThing) {
  action.annotations["x"] = "\033[2J";
  std::vector<Change> changes = {plan(action, on_server), plan(action, nullptr)};
  EXPECT_EQ(show_plan(changes),
            "~ action p/a\n    + annotation x: \"\\u001b[2J\"\n+ action p/a\n"
            "1 to create, 1 to update, 0 to delete, 0 unchanged\n");
  action.annotations.erase("x");
  EXPECT_EQ(show_plan({plan(action, on_server)}), "nothing to do: 1 unchanged\n");
}

TEST_F(Plan, ReadsDefaultKinds) {
  EXPECT_EQ(default_kinds_of(json::parse(R"({"runtimes":{"python":[
                {"kind":"python:3.10","default":false},{"kind":"python:3.11","default":true}]}})")),
            facts.default_kinds);
  EXPECT_TRUE(default_kinds_of(nullptr).empty());
}

}  // namespace
}  // namespace berth::cli
