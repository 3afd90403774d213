// SPDX-License-Identifier: Apache-2.0
#include "search.hpp"

#include <gtest/gtest.h>

#include "splunk_support.hpp"

namespace berth::splunk {
namespace {

Wanted wanted() {
  Wanted made;
  made.activation_id = kId;
  made.namespace_name = "guest";
  return made;
}

TEST(Search, ValuesAreQuoted) {
  EXPECT_EQ(quote("a"), "\"a\"");
  EXPECT_EQ(quote("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quote("a\nb"), "\"a b\"");
  Wanted nasty = wanted();
  nasty.namespace_name = "x\" | delete | search \"";
  EXPECT_NE(
      make_query(settings_with(), nasty).find(R"(berth_namespace=="x\" | delete | search \"")"),
      std::string::npos);
}

TEST(Search, LooksOnlyWhereItMayBe) {
  const std::string query =
      make_query(settings_with(R"("index":"fn","search_constraints":"sourcetype=a")"), wanted());
  EXPECT_EQ(
      query.rfind(std::string("search index=\"fn\" \"") + kId + "\" | search sourcetype=a", 0), 0u)
      << query;
}

TEST(Search, TheWindowIsThatOfTheActivationAndABit) {
  Wanted one = wanted();
  one.start_ms = 1'767'323'045'006;
  one.end_ms = 1'767'323'047'000;
  const std::string form =
      make_form(settings_with(R"("timestamp_offset_s":2)"), one, 1'767'400'000'000);
  EXPECT_NE(form.find("earliest_time=2026-01-02T03%3A04%3A03.006Z"), std::string::npos) << form;
  EXPECT_NE(form.find("latest_time=2026-01-02T03%3A04%3A09.000Z"), std::string::npos) << form;
  EXPECT_NE(form.find("exec_mode=oneshot&output_mode=json&count=0&max_time=10&"),
            std::string::npos);
  EXPECT_EQ(form.find('|'), std::string::npos) << "escaped";
  const std::string open =
      make_form(settings_with(R"("earliest_offset_s":60)"), wanted(), 1'767'323'045'006);
  EXPECT_NE(open.find("earliest_time=2026-01-02T03%3A03%3A03.006Z"), std::string::npos) << open;
}

TEST(Search, RowsBecomePieces) {
  const Rows rows = read_rows(settings_with(), 200, R"({"results":[
    {"berth_sequence":"1","berth_part":"0","berth_time":"2026-01-02T03:04:05.006Z",
     "berth_stream":"stderr","berth_message":"x"},
    {"berth_sequence":"2","berth_part":"1","berth_parts":"3","berth_final":"true",
     "berth_time":["2026-01-02T03:04:05.006Z","again"],"berth_message":["y","z"]}]})");
  ASSERT_TRUE(rows.status.ok());
  ASSERT_EQ(rows.pieces.size(), 2u);
  EXPECT_EQ(rows.pieces[0].text, "x");
  EXPECT_EQ(rows.pieces[0].stream, sdk::Stream::kStderr);
  EXPECT_EQ(rows.pieces[0].time_ns, 1'767'323'045'006'000'000);
  EXPECT_EQ(rows.pieces[1].text, "y");
  EXPECT_EQ(rows.pieces[1].parts, 3u);
  EXPECT_TRUE(rows.pieces[1].final);
}

// One that Splunk has cut must not hide the others.
TEST(Search, ARowWithoutItsMessageSaysSo) {
  const Rows rows = read_rows(settings_with(), 200, R"({"results":[
    {"berth_sequence":"0","berth_time":"2026-01-02T03:04:05.006Z","berth_message":"fine"},
    {"berth_sequence":"1","_time":"2026-01-02T03:04:05.000+00:00"},
    {"berth_sequence":"2","berth_time":"2026-01-02T03:04:05.006Z"}]})");
  ASSERT_EQ(rows.pieces.size(), 3u);
  EXPECT_EQ(rows.pieces[0].text, "fine");
  EXPECT_EQ(rows.pieces[1].text, "The log message can't be retrieved, key not found: log_message");
  EXPECT_EQ(rows.pieces[2].text, "") << "empty, not missing";
}

TEST(Search, ErrorsAreToldApart) {
  const auto code_of = [](int code, const char* body = "{}") {
    return read_rows(settings_with(), code, body).status;
  };
  EXPECT_EQ(code_of(401).code(), sdk::StatusCode::kUnauthenticated);
  EXPECT_EQ(code_of(403).code(), sdk::StatusCode::kPermissionDenied);
  EXPECT_EQ(code_of(404).code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(400).code(), sdk::StatusCode::kInternal);
  EXPECT_EQ(code_of(418).code(), sdk::StatusCode::kInternal);
  EXPECT_FALSE(code_of(401).retryable());
  for (const int busy : {429, 500, 502, 503}) {
    EXPECT_EQ(code_of(busy).code(), sdk::StatusCode::kUnavailable) << busy;
    EXPECT_TRUE(code_of(busy).retryable()) << busy;
  }
  EXPECT_EQ(code_of(504).code(), sdk::StatusCode::kDeadlineExceeded);
  EXPECT_NE(code_of(400, R"({"messages":[{"type":"FATAL","text":"Unbalanced quotes."}]})")
                .message()
                .find("Unbalanced quotes."),
            std::string::npos);
  EXPECT_FALSE(code_of(200, R"({"results":[)").ok());
  EXPECT_FALSE(code_of(200, R"({"results":[],"messages":[{"type":"ERROR","text":"no"}]})").ok());
  EXPECT_TRUE(code_of(200, R"({"results":[]})").ok());
  EXPECT_TRUE(code_of(200, "").ok());
}

TEST(Search, ASearchThatSplunkEndedIsKnown) {
  EXPECT_TRUE(read_rows(settings_with(), 200,
                        R"({"results":[],"messages":[{"type":"INFO","text":)"
                        R"("Search auto-finalized after time limit reached."}]})")
                  .cut_short);
}

}  // namespace
}  // namespace berth::splunk
