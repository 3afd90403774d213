// SPDX-License-Identifier: Apache-2.0
// Rows of docs/rest-compatibility.md that are nobody else's: which members a document has, no more
// and no fewer, what OpenWhisk has and Berth has not, and small rules of updates and replies.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <set>

#include "base/base64.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

using Names = std::set<std::string>;

const std::string kSpace = "/api/v1/namespaces/_";
const std::string kJava = R"({"exec":{"kind":"java:8","main":"Main",)";

Names members_of(const json::value& value) {
  Names names;
  if (!value.is_object()) return names;
  for (const auto& member : value.get_object()) names.emplace(member.key());
  return names;
}

class CompatibilityTest : public ApiTest {
 protected:
  // One of each kind; the rule is active.
  void make_all() {
    create("hello");
    for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
             {"/packages/p", "{}"},
             {"/triggers/t", "{}"},
             {"/rules/r", R"({"trigger":"/_/t","action":"/_/hello"})"}}) {
      ASSERT_EQ(put(kSpace + path, body).status, 200) << path;
    }
  }
};

TEST_F(CompatibilityTest, DocumentsHaveTheseMembersAndNoOthers) {
  make_all();
  const Names common = {"namespace", "name", "version", "publish", "annotations", "updated"};
  const auto with = [&common](Names more) {
    more.insert(common.begin(), common.end());
    return more;
  };
  const auto read = [this](const std::string& path) {
    return members_of(get(kSpace + path).json());
  };
  EXPECT_EQ(read("/actions/hello"), with({"exec", "parameters", "limits"}));
  EXPECT_EQ(read("/packages/p"), with({"binding", "parameters", "actions", "feeds"}));
  EXPECT_EQ(read("/triggers/t"), with({"parameters", "limits", "rules"}));
  EXPECT_EQ(read("/rules/r"), with({"status", "trigger", "action"}));
  const auto listed = [this](const std::string& path) {
    return members_of(get(kSpace + path).json().as_array().at(0));
  };
  EXPECT_EQ(listed("/actions"), with({"exec", "limits"}));
  EXPECT_EQ(listed("/packages"), with({"binding"}));
  EXPECT_EQ(listed("/triggers"), common);
  EXPECT_EQ(listed("/rules"), common);
}

TEST_F(CompatibilityTest, TheInfoDocumentHasTheseMembers) {
  const json::value info = request("GET", "/", {}).json();
  // `server` is ours; OpenWhisk's `support` is not there.
  EXPECT_EQ(members_of(info), (Names{"description", "server", "api_paths", "limits", "runtimes"}));
  EXPECT_EQ(
      members_of(info.at("limits")),
      (Names{"actions_per_minute", "triggers_per_minute", "concurrent_actions", "sequence_length",
             "default_min_action_duration", "default_max_action_duration",
             "default_min_action_memory", "default_max_action_memory", "default_min_action_logs",
             "default_max_action_logs", "min_action_duration", "max_action_duration",
             "min_action_memory", "max_action_memory", "min_action_logs", "max_action_logs"}));
  EXPECT_EQ(members_of(info.at("runtimes").at("nodejs").at(0)),
            (Names{"kind", "image", "deprecated", "default", "attached", "requireMain"}));
  const json::value api_info = request("GET", "/api/v1", {}).json();
  EXPECT_EQ(members_of(api_info), (Names{"description", "api_version", "api_version_path", "build",
                                         "buildno", "swagger_paths"}));
  EXPECT_EQ(api_info.at("api_version"), "1.0.0");
  EXPECT_EQ(api_info.at("swagger_paths").at("ui"), "/docs");
  EXPECT_EQ(api_info.at("swagger_paths").at("api-docs"), "/api-docs");
}

TEST_F(CompatibilityTest, TheLimitsOfANamespaceHaveTheseMembers) {
  start();
  EXPECT_EQ(members_of(get(kSpace + "/limits").json()),
            (Names{"invocationsPerMinute", "concurrentInvocations", "firesPerMinute",
                   "minActionTimeout", "maxActionTimeout", "minActionMemory", "maxActionMemory",
                   "minActionLogs", "maxActionLogs", "minActionConcurrency", "maxActionConcurrency",
                   "maxParameterSize", "maxPayloadSize", "truncationSize"}));
}

TEST_F(CompatibilityTest, TheControllersOwnRoutesAreNotThere) {
  start();
  for (const char* path : {"/invokers", "/invokers/healthy/count", "/invokers/ready", "/activation",
                           "/activation/count", "/isEnabled"}) {
    const Reply reply = get(path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_EQ(reply.error(), "The requested resource does not exist.");
  }
  EXPECT_EQ(post("/disable").status, 404);
  EXPECT_EQ(post("/enable").status, 404);
}

TEST_F(CompatibilityTest, ExtraLoggingIsAHeaderLikeAnyOther) {
  create("page", R"(,"annotations":[{"key":"web-export","value":true}])");
  const Reply reply =
      request("GET", "/api/v1/web/guest/default/page.json", {{"X-OW-EXTRA-LOGGING", "on"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("__ow_headers").at("x-ow-extra-logging"), "on");
}

TEST_F(CompatibilityTest, AnUpdateTakesTheVersionThatItGives) {
  make_all();
  const auto version = [this](const std::string& path, const std::string& body) {
    const Reply reply = put(kSpace + path + "?overwrite=true", body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json().at("version");
  };
  for (const char* path : {"/actions/hello", "/packages/p", "/triggers/t", "/rules/r"}) {
    EXPECT_EQ(version(path, "{}"), "0.0.2") << path;
    EXPECT_EQ(version(path, R"({"version":"2.3.4"})"), "2.3.4") << path;
    EXPECT_EQ(version(path, "{}"), "2.3.5") << path;
  }
}

TEST_F(CompatibilityTest, AJarIsCode) {
  // A zip with one file.
  const std::string jar =
      "UEsDBBQAAAAAAAAAIQCDFtyMAQAAAAEAAAAHAAAAQS5jbGFzc3hQSwECFAMUAAAAAAAAACEAgxbc"
      "jAEAAAABAAAABwAAAAAAAAAAAAAAgAEAAAAAQS5jbGFzc1BLBQYAAAAAAQABADUAAAAmAAAAAAA=";
  const Reply made = put(kSpace + "/actions/java", kJava + R"("jar":")" + jar + "\"}}");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("exec").at("code"), json::string(jar));
  EXPECT_EQ(made.json().at("exec").at("binary"), true);
}

TEST_F(CompatibilityTest, AnnotationsAndLimitsWithoutEffectAreTaken) {
  create("hello", R"(,"limits":{"instances":3},"annotations":[
      {"key":"invoker-resources","value":["gpu"]},
      {"key":"invoker-resources-strict-policy","value":true}])");
  const json::value shown = get(kSpace + "/actions/hello").json();
  EXPECT_FALSE(shown.at("limits").as_object().contains("instances"));
  EXPECT_EQ(shown.at("annotations").at(0).at("key"), "invoker-resources");
  EXPECT_EQ(post(kSpace + "/actions/hello", "{}").status, 202);
}

TEST_F(CompatibilityTest, WhatIsDamagedIs500) {
  create("hello");
  on_server([this] {
    entities.use_cache = false;
    entities.refuse_get = sdk::data_loss("a member is missing");
  });
  const Reply reply = get(kSpace + "/actions/hello");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.error(), "Resource is corrupted and cannot be read.");
}

TEST_F(CompatibilityTest, ARuleWhoseActionCannotBeTakenIsOurFault) {
  make_all();
  on_server([this] { invoker.refusal = sdk::unavailable("shutting down"); });
  ASSERT_EQ(post(kSpace + "/triggers/t", "{}").status, 202);
  json::value line;
  on_server([&] {
    for (const entity::Activation& record : activations.records) {
      if (record.name == "t" && !record.logs.empty()) line = json::parse(record.logs.front());
    }
  });
  EXPECT_EQ(line, json::parse(R"({"rule":"guest/r","action":"guest/hello","statusCode":3,
      "success":false,"error":"shutting down"})"));
}

TEST_F(CompatibilityTest, WebActionsAreAskedWithEachMethod) {
  create("page", R"(,"annotations":[{"key":"web-export","value":true}])");
  for (const char* method : {"GET", "DELETE", "POST", "PUT", "HEAD", "PATCH"}) {
    const Reply reply = request(method, "/api/v1/web/guest/default/page.json", {});
    EXPECT_EQ(reply.status, 200) << method;
    EXPECT_EQ(reply.header("x-openwhisk-activation-id").size(), 32u) << method;
  }
}

TEST_F(CompatibilityTest, JsonInBase64IsOpened) {
  create("page", R"(,"annotations":[{"key":"web-export","value":true}])");
  on_server([this] {
    invoker.result = R"({"headers":{"Content-Type":"application/json"},"body":")" +
                     base64_encode(R"({"a":1})") + "\"}";
  });
  EXPECT_EQ(request("GET", "/api/v1/web/guest/default/page", {}).body, R"({"a":1})");
}

}  // namespace
}  // namespace berth::api
