// SPDX-License-Identifier: Apache-2.0
#include "entity/activation.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"

namespace berth::entity {
namespace {

Activation example() {
  Activation record;
  record.namespace_name = "guest";
  record.name = "hello";
  record.version = "0.0.3";
  record.subject = "guest";
  record.activation_id = "44794bd6aab74415b4e42a308d880e5b";
  record.start_ms = 1700000000100;
  record.end_ms = 1700000000156;
  record.duration_ms = 56;
  record.result = R"({"payload":"hi"})";
  record.size = 16;
  record.annotations =
      R"([{"key":"path","value":"guest/demo/hello"},{"key":"timeout","value":false}])";
  return record;
}

// Byte for byte as OpenWhisk's clients know it.
TEST(Activation, Json) {
  EXPECT_EQ(
      to_json(example()),
      R"({"namespace":"guest","name":"hello","version":"0.0.3","subject":"guest","activationId":"44794bd6aab74415b4e42a308d880e5b",)"
      R"("start":1700000000100,"end":1700000000156,"duration":56,"publish":false,"logs":[],)"
      R"("response":{"status":"success","success":true,"result":{"payload":"hi"},"size":16},)"
      R"("annotations":[{"key":"path","value":"guest/demo/hello"},{"key":"timeout","value":false}]})");
}

TEST(Activation, Summary) {
  Activation record = example();
  record.outcome = Outcome::kApplicationError;
  EXPECT_EQ(
      to_summary_json(record),
      R"({"namespace":"guest","name":"hello","version":"0.0.3","publish":false,)"
      R"("annotations":[{"key":"path","value":"guest/demo/hello"},{"key":"timeout","value":false}],)"
      R"("activationId":"44794bd6aab74415b4e42a308d880e5b","start":1700000000100,"end":1700000000156,"duration":56,"statusCode":1})");
}

TEST(Activation, Outcomes) {
  Activation record = example();
  record.outcome = Outcome::kApplicationError;
  record.result = R"({"error":"boom"})";
  EXPECT_EQ(
      response_json(record),
      R"({"status":"application error","success":false,"result":{"error":"boom"},"size":16})");
  EXPECT_EQ(to_string(Outcome::kSuccess), "success");
  EXPECT_EQ(to_string(Outcome::kDeveloperError), "action developer error");
  EXPECT_EQ(to_string(Outcome::kWhiskError), "whisk internal error");
}

TEST(Activation, CauseAndLogsOnlyWhereThereAreAny) {
  Activation record = example();
  record.cause = "00000000000000000000000000000001";
  record.logs = {"a \"b\"\\", "c\n\x01\td"};
  const std::string text = to_json(record);
  EXPECT_NE(text.find(R"("cause":"00000000000000000000000000000001","start")"), std::string::npos);
  EXPECT_NE(text.find(R"("logs":["a \"b\"\\","c\n\u0001\td"])"), std::string::npos);
  EXPECT_EQ(parse_json(text).value().at("logs").at(1).as_string(), "c\n\x01\td");
  EXPECT_NE(to_summary_json(record).find(R"("cause":"0)"), std::string::npos);
}

TEST(Activation, ATriggersRecordHasNoEnd) {
  Activation record = example();
  record.end_ms = 0;
  record.duration_ms = 0;
  for (const std::string& text : {to_json(record), to_summary_json(record)}) {
    EXPECT_NE(text.find("\"start\""), std::string::npos);
    EXPECT_EQ(text.find("\"end\""), std::string::npos);
    EXPECT_EQ(text.find("\"duration\""), std::string::npos);
    EXPECT_TRUE(parse_json(text));
  }
}

}  // namespace
}  // namespace berth::entity
