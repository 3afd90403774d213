// SPDX-License-Identifier: Apache-2.0
// Records, results and logs over HTTP.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kActivations = "/api/v1/namespaces/_/activations";
const std::string kId = "0123456789abcdef0123456789abcdef";

class ActivationsTest : public ApiTest {
 protected:
  void record(const std::string& id, const std::string& name = "hello") {
    entity::Activation activation;
    activation.activation_id = id;
    activation.namespace_name = "guest";
    activation.subject = "guest";
    activation.name = name;
    activation.version = "0.0.1";
    activation.path = "guest/" + name;
    activation.start_ms = 1000;
    activation.end_ms = 1010;
    activation.duration_ms = 10;
    activation.result = R"({"x":1})";
    activation.size = 7;
    activations.records.push_back(std::move(activation));
  }
};

TEST_F(ActivationsTest, ShowsTheRecordWithItsLogs) {
  record(kId);
  logs.lines[kId] = {{plugin::Stream::kStdout, 1'000'000'000, 0, "one"},
                     {plugin::Stream::kStderr, 2'000'000'000, 1, "two \"quoted\""}};
  const Reply reply = get(kActivations + "/" + kId);
  ASSERT_EQ(reply.status, 200);
  const boost::json::value shown = reply.json();
  EXPECT_EQ(shown.at("activationId"), boost::json::value(kId));
  EXPECT_EQ(shown.at("response").at("result").at("x"), 1);
  ASSERT_EQ(shown.at("logs").as_array().size(), 2u);
  EXPECT_EQ(shown.at("logs").at(0), "1970-01-01T00:00:01Z           stdout: one");
  const Reply only_logs = get(kActivations + "/" + kId + "/logs");
  EXPECT_EQ(boost::json::serialize(only_logs.json().at("logs")),
            boost::json::serialize(shown.at("logs")));
  EXPECT_EQ(only_logs.json().at("logs").at(1),
            "1970-01-01T00:00:02Z           stderr: two \"quoted\"");
}

TEST_F(ActivationsTest, WaitsForLogsOnTheirWay) {
  record(kId);
  logs.lines[kId] = {{plugin::Stream::kStdout, 1'000'000'000, 0, "one"}};
  invoker.polls_until_logged = 5;
  EXPECT_EQ(get(kActivations + "/" + kId + "/logs").json().at("logs").as_array().size(), 1u);
  on_server([this] {
    EXPECT_LE(invoker.polls_until_logged, 0);
    invoker.polls_until_logged = 5;
  });
  EXPECT_EQ(get(kActivations + "/" + kId).json().at("logs").as_array().size(), 1u);
  on_server([this] { EXPECT_LE(invoker.polls_until_logged, 0); });
}

TEST_F(ActivationsTest, ShowsTheResult) {
  record(kId);
  EXPECT_EQ(get(kActivations + "/" + kId + "/result").body,
            R"({"status":"success","success":true,"result":{"x":1},"size":7})");
}

TEST_F(ActivationsTest, ShowsTheRecordThoughTheLogsFail) {
  record(kId);
  logs.refusal = sdk::unavailable("the log store is down");
  EXPECT_EQ(get(kActivations + "/" + kId).status, 200);
  const Reply reply = get(kActivations + "/" + kId + "/logs");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.error(), "the log store is down");
  EXPECT_EQ(get(kActivations + "?docs=true").json().as_array().size(), 1u);
}

TEST_F(ActivationsTest, HasNoLogsWhereTheStoreHasNone) {
  record(kId);
  EXPECT_EQ(get(kActivations + "/" + kId + "/logs").body, R"({"logs":[]})");
  on_server([this] { logs.refusal = sdk::not_found("no such activation"); });
  EXPECT_EQ(get(kActivations + "/" + kId + "/logs").body, R"({"logs":[]})");
}

TEST_F(ActivationsTest, SaysThatLinesAreMissing) {
  record(kId);
  logs.lines[kId] = {{plugin::Stream::kStdout, 1'000'000'000, 0, "one"}};
  logs.partial = true;
  const boost::json::value lines = get(kActivations + "/" + kId + "/logs").json().at("logs");
  ASSERT_EQ(lines.as_array().size(), 2u);
  EXPECT_NE(std::string(lines.at(1).as_string()).find("missing"), std::string::npos);
}

TEST_F(ActivationsTest, RefusesIdsThatAreNone) {
  EXPECT_EQ(get(kActivations + "/zz").error(), "Activation id length is 2 but must be 32.");
  EXPECT_EQ(get(kActivations + "/" + std::string(32, 'z')).error(),
            "The activation id is not valid.");
  EXPECT_EQ(get(kActivations + "/" + std::string(32, 'A') + "/logs").status, 400);
  EXPECT_EQ(get(kActivations + "/" + kId).status, 404);
  EXPECT_EQ(get(kActivations + "/" + kId + "/result").status, 404);
}

TEST_F(ActivationsTest, ListsSummariesOrDocuments) {
  record(kId);
  record("1123456789abcdef0123456789abcdef", "other");
  logs.lines[kId] = {{plugin::Stream::kStdout, 0, 0, "one"}};
  const boost::json::value summaries = get(kActivations).json();
  ASSERT_EQ(summaries.as_array().size(), 2u);
  EXPECT_EQ(summaries.at(0).at("name"), "other");
  EXPECT_EQ(summaries.at(0).at("statusCode"), 0);
  EXPECT_EQ(summaries.at(0).get_object().if_contains("response"), nullptr);
  const boost::json::value documents = get(kActivations + "?docs=true").json();
  EXPECT_EQ(documents.at(1).at("response").at("success"), true);
  EXPECT_EQ(documents.at(1).at("logs").as_array().size(), 1u);
  EXPECT_EQ(get(kActivations + "?count=true").body, R"({"activations":2})");
}

TEST_F(ActivationsTest, PassesTheQueryOn) {
  const auto query = [this](const std::string& text) {
    EXPECT_EQ(get(kActivations + "?" + text).status, 200) << text;
    store::ActivationQuery copy;
    on_server([&] { copy = activations.last_query; });
    return copy;
  };
  const auto full = query("name=hello&since=5&upto=9&skip=2&limit=3");
  EXPECT_EQ(full.namespace_name, "guest");
  EXPECT_EQ(full.name, "hello");
  EXPECT_EQ(full.since_ms, 5);
  EXPECT_EQ(full.upto_ms, 9);
  EXPECT_EQ(full.skip, 2);
  EXPECT_EQ(full.limit, 3);
  EXPECT_EQ(query("name=pkg%2Fhello").name, "pkg/hello");
  EXPECT_EQ(query("limit=0").limit, 200);
  EXPECT_EQ(query("").limit, 30);
  EXPECT_EQ(query("name=").name, "");
  EXPECT_EQ(query("count=true&name=x").name, "x");
}

TEST_F(ActivationsTest, RefusesBadQueries) {
  EXPECT_EQ(get(kActivations + "?docs=true&count=true").error(),
            "The parameter 'docs' is not permitted with 'count'.");
  EXPECT_EQ(get(kActivations + "?name=a/b/c").error(),
            "Parameter may be a 'simple' name or 'package-name/simple' name: a/b/c");
  EXPECT_EQ(get(kActivations + "?limit=201").error(),
            "The value '201' is not in the range of 0 to 200 for activations.");
  EXPECT_EQ(get(kActivations + "?since=x").status, 400);
  EXPECT_EQ(get(kActivations + "?upto=-3").status, 400);
}

}  // namespace
}  // namespace berth::api
