// SPDX-License-Identifier: Apache-2.0
// Every row of OpenWhisk's outcome table, and the annotations.
#include "activation/outcome.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>
#include <ostream>

#include "activation/json_shape.hpp"

namespace berth::activation {
namespace {

using container::Reply;
using entity::Outcome;
using http::Exchange;

Reply answered(int status, std::string body) {
  Reply reply;
  reply.exchange = Exchange::kResponse;
  reply.status = status;
  reply.length = body.size();
  reply.body = std::move(body);
  return reply;
}
Reply ended(Exchange exchange) {
  Reply reply;
  reply.exchange = exchange;
  return reply;
}
Reply timed_out(Reply reply) {
  reply.timed_out = true;
  return reply;
}
Reply cut(std::string body, std::uint64_t length) {
  Reply reply = answered(200, std::move(body));
  reply.truncated = true;
  reply.length = length;
  return reply;
}

struct Row {
  const char* name;
  Reply reply;
  bool out_of_memory;
  Outcome outcome;
  std::string result;
  std::uint64_t size;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

const ReplyContext kContext{1500, 1048576, false, 256};
ReplyContext context_of(const Row& row) {
  ReplyContext context = kContext;
  context.out_of_memory = row.out_of_memory;
  return context;
}

class RunRows : public testing::TestWithParam<Row> {};
TEST_P(RunRows, Map) {
  Row row = GetParam();
  const Response response = run_response(row.reply, context_of(row));
  EXPECT_EQ(response.outcome, row.outcome);
  EXPECT_EQ(response.result, row.result);
  EXPECT_EQ(response.size, row.size);
  EXPECT_NO_THROW(boost::json::parse(response.result));
}

constexpr const char* kExited =
    R"({"error":"The action did not produce a valid response and exited unexpectedly."})";

INSTANTIATE_TEST_SUITE_P(
    Outcome, RunRows,
    testing::Values(
        Row{"object", answered(200, R"({"a": 1})"), false, Outcome::kSuccess, R"({"a": 1})", 8},
        Row{"array", answered(200, "[1,2]"), false, Outcome::kSuccess, "[1,2]", 5},
        Row{"as it is, but for space around", answered(200, " {\"n\":1e400,\"n\":2}\n"), false,
            Outcome::kSuccess, R"({"n":1e400,"n":2})", 19},
        Row{"error deeper down", answered(200, R"({"a":{"error":1}})"), false, Outcome::kSuccess,
            R"({"a":{"error":1}})", 17},
        Row{"object with error", answered(200, R"({"a":1,"error":"soft","b":2})"), false,
            Outcome::kApplicationError, R"({"error":"soft"})", 28},
        Row{"error of any kind", answered(200, R"({"error": {"code": 7.50} })"), false,
            Outcome::kApplicationError, R"({"error":{"code": 7.50}})", 26},
        Row{"null error", answered(200, R"({"error":null})"), false, Outcome::kApplicationError,
            R"({"error":null})", 14},
        Row{"escaped key", answered(200, R"({"\u0065rror":[1,"]"]})"), false,
            Outcome::kApplicationError, R"({"error":[1,"]"]})", 22},
        Row{"non-200 with error", answered(502, R"({"error":"boom","x":1})"), false,
            Outcome::kDeveloperError, R"({"error":"boom"})", 22},
        Row{"non-200 object without error", answered(500, R"({"a":1})"), false,
            Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response: {\"a\":1}"})",
            7},
        Row{"non-200 array", answered(500, "[1]"), false, Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response: [1]"})",
            3},
        Row{"200 but no JSON", answered(200, "hello"), false, Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response: hello"})",
            5},
        Row{"200 but a scalar", answered(200, "null"), false, Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response: null"})",
            4},
        Row{"200 but two values", answered(200, "{} {}"), false, Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response: {} {}"})",
            5},
        Row{"200 but empty", answered(200, ""), false, Outcome::kDeveloperError,
            R"({"error":"The action did not produce a valid JSON or JSON Array response."})", 0},
        Row{"bytes that are no text", answered(200, "\xff\"\n"), false, Outcome::kDeveloperError,
            "{\"error\":\"The action did not produce a valid JSON or JSON Array response: "
            "\xef\xbf\xbd\\\"\\n\"}",
            3},
        Row{"too long", cut("{\"a\":", 2000000), false, Outcome::kApplicationError,
            R"({"error":"The action produced a response that exceeded the allowed length: )"
            R"(2000000 > 1048576 bytes. The truncated response was: {\"a\":"})",
            2000000},
        Row{"timeout", timed_out(ended(Exchange::kTimedOut)), false, Outcome::kDeveloperError,
            R"({"error":"The action exceeded its time limits of 1500 milliseconds."})", 0},
        Row{"an answer after the timeout", timed_out(answered(200, "{}")), false,
            Outcome::kDeveloperError,
            R"({"error":"The action exceeded its time limits of 1500 milliseconds."})", 0},
        Row{"broken", ended(Exchange::kBroken), false, Outcome::kDeveloperError, kExited, 0},
        Row{"no connection", ended(Exchange::kConnectFailed), false, Outcome::kDeveloperError,
            kExited, 0},
        Row{"out of memory", ended(Exchange::kBroken), true, Outcome::kDeveloperError,
            R"({"error":"The action exhausted its memory: limit 256 MB."})", 0}));

class InitRows : public testing::TestWithParam<Row> {};
TEST_P(InitRows, Map) {
  Row row = GetParam();
  const Response response = init_response(row.reply, context_of(row));
  EXPECT_EQ(response.outcome, row.outcome);
  EXPECT_EQ(response.result, row.result);
  EXPECT_EQ(response.size, row.size);
}

INSTANTIATE_TEST_SUITE_P(
    Outcome, InitRows,
    testing::Values(
        Row{"timeout", timed_out(ended(Exchange::kTimedOut)), false, Outcome::kDeveloperError,
            R"({"error":"The action exceeded its time limits of 1500 milliseconds during initialization."})",
            0},
        Row{"non-200 with error", answered(502, R"({"error":"no such main"})"), false,
            Outcome::kDeveloperError, R"({"error":"no such main"})", 24},
        Row{"non-200 otherwise", answered(500, "<html>"), false, Outcome::kDeveloperError,
            R"({"error":"The action failed during initialization: <html>"})", 6},
        Row{"non-200 empty", answered(500, ""), false, Outcome::kDeveloperError,
            R"({"error":"The action failed during initialization."})", 0},
        Row{"no connection", ended(Exchange::kConnectFailed), false, Outcome::kDeveloperError,
            R"({"error":"The action did not initialize and exited unexpectedly."})", 0},
        Row{"died", ended(Exchange::kBroken), false, Outcome::kDeveloperError,
            R"({"error":"The action did not initialize and exited unexpectedly."})", 0},
        Row{"out of memory", ended(Exchange::kBroken), true, Outcome::kDeveloperError,
            R"({"error":"The action exhausted its memory: limit 256 MB."})", 0},
        Row{"too long", cut("x", 2000000), false, Outcome::kDeveloperError,
            R"({"error":"The action produced a response that exceeded the allowed length: )"
            R"(2000000 > 1048576 bytes. The truncated response was: x"})",
            2000000}));

TEST(StartFailed, UserImagesAreTheAuthorsFault) {
  const Status missing(StatusCode::kNotFound, "x", sdk::kUserError);
  Response response = start_failed_response(missing, "me/mine:2");
  EXPECT_EQ(response.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(response.result, R"({"error":"Failed to pull container image 'me/mine:2': x"})");
  response = start_failed_response(Status(StatusCode::kInvalidArgument, "x", sdk::kUserError), "i");
  EXPECT_EQ(response.result, R"({"error":"Failed to pull container image 'i': x"})");
  response = start_failed_response(Status(StatusCode::kNotFound, "", sdk::kUserError), "i");
  EXPECT_EQ(response.result, R"({"error":"Failed to pull container image 'i'."})");
  response = start_failed_response(Status(StatusCode::kAborted, "x", sdk::kUserError), "i");
  EXPECT_EQ(response.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(response.result,
            R"({"error":"The action did not initialize and exited unexpectedly: x"})");
  response =
      start_failed_response(Status(StatusCode::kFailedPrecondition, "x", sdk::kUserError), "i");
  EXPECT_EQ(response.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(response.result, R"({"error":"executable file not found in image i"})");
}

TEST(StartFailed, EverythingElseIsOurs) {
  for (const Status& why : {sdk::not_found("x"), sdk::unavailable("x"), sdk::internal("x")}) {
    const Response response = start_failed_response(why, "i");
    EXPECT_EQ(response.outcome, Outcome::kWhiskError);
    EXPECT_EQ(response.result, R"({"error":"Failed to provision resources to run the action."})");
  }
}

TEST(Annotations, AreThoseOfOpenWhisk) {
  entity::Action action;
  action.namespace_name = "guest";
  action.package = "demo";
  action.name = "hello";
  action.exec.kind = "nodejs:20";
  EXPECT_EQ(annotations_json(action, {27, 44, false}, false),
            R"([{"key":"limits","value":{"concurrency":1,"logs":10,"memory":256,"timeout":60000}},)"
            R"({"key":"path","value":"guest/demo/hello"},{"key":"kind","value":"nodejs:20"},)"
            R"({"key":"timeout","value":false},{"key":"waitTime","value":27},)"
            R"({"key":"initTime","value":44}])");
  EXPECT_EQ(annotations_json(action, {1, std::nullopt, true}, true),
            R"([{"key":"limits","value":{"concurrency":1,"logs":10,"memory":256,"timeout":60000}},)"
            R"({"key":"path","value":"guest/demo/hello"},{"key":"kind","value":"nodejs:20"},)"
            R"({"key":"timeout","value":true},{"key":"waitTime","value":1},)"
            R"({"key":"causedBy","value":"sequence"}])");
}

TEST(JsonShapes, AreToldWithoutATree) {
  EXPECT_EQ(json_shape("{}"), JsonShape::kObject);
  EXPECT_EQ(json_shape(" [ ] "), JsonShape::kArray);
  EXPECT_EQ(json_shape(R"("text")"), JsonShape::kScalar);
  EXPECT_EQ(json_shape("1"), JsonShape::kScalar);
  EXPECT_EQ(json_shape(R"({"error":1})"), JsonShape::kObjectWithError);
  EXPECT_EQ(json_shape(R"({"errors":1,"erro":2,"Error":3})"), JsonShape::kObject);
  EXPECT_EQ(json_shape(R"([{"error":1}])"), JsonShape::kArray);
  EXPECT_EQ(json_shape(R"({"err\u006fr":1})"), JsonShape::kObjectWithError);
  EXPECT_EQ(json_shape(""), JsonShape::kInvalid);
  EXPECT_EQ(json_shape("{"), JsonShape::kInvalid);
  EXPECT_EQ(json_shape("{}x"), JsonShape::kInvalid);
  EXPECT_EQ(json_shape("{'a':1}"), JsonShape::kInvalid);
  EXPECT_EQ(json_shape("NaN"), JsonShape::kInvalid);
  EXPECT_EQ(json_shape("\"\xff\""), JsonShape::kInvalid);
  EXPECT_EQ(json_shape(std::string(500, '[') + std::string(500, ']')), JsonShape::kArray);
  EXPECT_EQ(json_shape(std::string(501, '[') + std::string(501, ']')), JsonShape::kInvalid);
  EXPECT_EQ(json_shape(std::string(10'000'000, '[')), JsonShape::kInvalid);
}

TEST(RawMember, IsTheTextAsItStands) {
  EXPECT_EQ(raw_member(R"({"error":"a\"}b"})", "error"), R"("a\"}b")");
  EXPECT_EQ(raw_member(R"( { "a" : [1,{"error":2}] , "error" : { "x" : [ ] } } )", "error"),
            R"({ "x" : [ ] })");
  EXPECT_EQ(raw_member(R"({"error":1 , "error": -2.50e3 })", "error"), "-2.50e3");
  EXPECT_EQ(raw_member(R"({"err\u006fr":true})", "error"), "true");
  EXPECT_EQ(raw_member(R"({"a":1})", "error"), "");
  EXPECT_EQ(raw_member("{}", "error"), "");
}

}  // namespace
}  // namespace berth::activation
