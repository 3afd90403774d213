// SPDX-License-Identifier: Apache-2.0
#include "json_line.hpp"

#include <gtest/gtest.h>

#include "file_support.hpp"

namespace berth::file {
namespace {

std::string format(const std::vector<sdk::LogLine>& lines, bool final,
                   const std::string& space = "guest") {
  const std::string id = "44794bd6aab74415b4e42a308d880e5b";
  std::vector<berth_log_line> wire;
  for (const auto& line : lines) {
    wire.push_back({static_cast<std::int32_t>(line.stream), 0, line.time_ns, line.sequence,
                    sdk::str(line.text)});
  }
  berth_activation_ref ref{};
  ref.activation_id = sdk::str(id);
  ref.namespace_name = sdk::str(space);
  ref.namespace_id = sdk::str("23bc46b1");
  ref.action = sdk::str("guest/demo/hello");
  return format_lines(sdk::ActivationRefView(ref), {wire.data(), wire.size()}, final,
                      1'700'000'000'000'000'000);
}

// The format is read by shippers of logs: byte for byte.
TEST(JsonLine, Format) {
  EXPECT_EQ(
      format({{sdk::Stream::kStdout, 1561397400914123456, 0, "hello"},
              {sdk::Stream::kStderr, 1561397400914123457, 1, "a \"b\"\\\t\x01"}},
             true),
      R"({"time":"2019-06-24T17:30:00.914123456Z","stream":"stdout","sequence":0,"log":"hello",)"
      R"("activationId":"44794bd6aab74415b4e42a308d880e5b","action":"guest/demo/hello","namespace":"guest",)"
      R"("namespaceId":"23bc46b1"})"
      "\n"
      R"({"time":"2019-06-24T17:30:00.914123457Z","stream":"stderr","sequence":1,"log":"a \"b\"\\\t\u0001",)"
      R"("final":true,"activationId":"44794bd6aab74415b4e42a308d880e5b","action":"guest/demo/hello",)"
      R"("namespace":"guest","namespaceId":"23bc46b1"})"
      "\n");
  EXPECT_EQ(
      format({}, true),
      R"({"time":"2023-11-14T22:13:20.000000000Z","final":true,)"
      R"("activationId":"44794bd6aab74415b4e42a308d880e5b","action":"guest/demo/hello","namespace":"guest",)"
      R"("namespaceId":"23bc46b1"})"
      "\n");
  EXPECT_EQ(format({}, false), "");
}

TEST(JsonLine, WhatIsWrittenIsRead) {
  for (const std::string& text :
       {std::string(), std::string("plain"),
        std::string("\"activationId\":\"00000000000000000000000000000000\""),
        std::string("\0\x1f\x7f\n\r\t\"\\/", 9),
        std::string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), std::string(100'000, 'x')}) {
    const std::string line =
        format({{sdk::Stream::kStderr, 1, 18446744073709551615ull, text}}, true, "a \"b\"");
    const auto parsed = parse_line(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(parsed) << line;
    EXPECT_EQ(parsed->text, text);
    EXPECT_EQ(parsed->stream, sdk::Stream::kStderr);
    EXPECT_EQ(parsed->time_ns, 1);
    EXPECT_EQ(parsed->sequence, 18446744073709551615ull);
    EXPECT_TRUE(parsed->final);
    EXPECT_TRUE(parsed->has_text);
    EXPECT_EQ(parsed->namespace_name, "a \"b\"");
    EXPECT_EQ(parsed->id, parse_id("44794bd6aab74415b4e42a308d880e5b"));
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  }
}

TEST(JsonLine, BadUtf8IsReplaced) {
  const std::string bad[] = {
      "\xff", "\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
  for (const std::string& bytes : bad) {
    const std::string line = format({{sdk::Stream::kStdout, 1, 0, "a" + bytes + "b"}}, true);
    const auto parsed = parse_line(std::string_view(line).substr(0, line.size() - 1));
    ASSERT_TRUE(parsed) << line;
    std::string expected = "a";
    for (std::size_t i = 0; i < bytes.size(); ++i) expected += "\xef\xbf\xbd";
    EXPECT_EQ(parsed->text, expected + "b");
  }
}

TEST(JsonLine, AScanSeesWhatAParserSees) {
  const std::string tricky =
      R"(,"activationId":"00000000000000000000000000000000","final":true,"sequence":0,)";
  for (const bool final : {true, false}) {
    for (const std::uint64_t sequence : {0ull, 1ull, 10ull, 12345678901ull}) {
      for (const std::string& text : {std::string(), std::string("x"), tricky}) {
        for (const auto stream : {sdk::Stream::kStdout, sdk::Stream::kStderr}) {
          const std::string line = format({{stream, 1, sequence, text}}, final, tricky);
          const auto scanned = scan_line(std::string_view(line).substr(0, line.size() - 1));
          ASSERT_TRUE(scanned) << line;
          EXPECT_EQ(scanned->id, parse_id("44794bd6aab74415b4e42a308d880e5b"));
          EXPECT_EQ(scanned->first, sequence == 0) << line;
          EXPECT_EQ(scanned->final, final) << line;
        }
      }
    }
  }
  const std::string end = format({}, true);
  const auto scanned = scan_line(std::string_view(end).substr(0, end.size() - 1));
  ASSERT_TRUE(scanned);
  EXPECT_TRUE(scanned->final);
  EXPECT_FALSE(scanned->first);
  for (std::size_t i = 0; i + 1 < end.size(); ++i) {
    EXPECT_FALSE(scan_line(std::string_view(end).substr(0, i))) << i;
  }
  EXPECT_FALSE(scan_line(std::string(100, '\0')));
}

TEST(JsonLine, DamageIsNotRead) {
  const std::string good = format({{sdk::Stream::kStdout, 1, 0, "hello"}}, false);
  const std::string_view line = std::string_view(good).substr(0, good.size() - 1);
  ASSERT_TRUE(parse_line(line));
  for (std::size_t i = 0; i < line.size(); ++i) EXPECT_FALSE(parse_line(line.substr(0, i))) << i;
  const auto with = [&](const std::string& what, const std::string& by) {
    std::string text(line);
    text.replace(text.find(what), what.size(), by);
    return parse_line(text).has_value();
  };
  EXPECT_FALSE(with("\"sequence\":0", "\"sequence\":-1"));
  EXPECT_FALSE(with("\"sequence\":0", "\"sequence\":\"0\""));
  EXPECT_FALSE(with("stdout", "stdin"));
  EXPECT_FALSE(with("44794b", "44794B"));
  EXPECT_FALSE(with("1970-01", "1970-13"));
  EXPECT_FALSE(with("\"log\":\"hello\"", "\"log\":7"));
  EXPECT_FALSE(with("\"log\":\"hello\",", ""));
  EXPECT_FALSE(parse_line(std::string(100, '\0')));
}

TEST(JsonLine, Times) {
  for (const std::int64_t time :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{951'782'400'000'000'000},
        std::int64_t{4'102'444'799'999'999'999}}) {
    EXPECT_EQ(parse_time(format_time(time)), time) << format_time(time);
  }
  EXPECT_EQ(format_time(951'782'400'000'000'000), "2000-02-29T00:00:00.000000000Z");
  for (const char* text : {"", "2019-06-24T17:30:00Z", "2019-06-24 17:30:00.914123456Z",
                           "2019-02-30T17:30:00.914123456Z", "2019-06-24T24:30:00.914123456Z",
                           "2019-06-24T17:30:00.91412345-Z", "9999-06-24T17:30:00.914123456Z"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(JsonLine, Ids) {
  EXPECT_TRUE(parse_id("44794bd6aab74415b4e42a308d880e5b"));
  for (const char* id : {"", "44794bd6aab74415b4e42a308d880e5", "44794bd6aab74415b4e42a308d880e5bb",
                         "44794BD6AAB74415B4E42A308D880E5B", "44794bd6aab74415b4e42a308d880e5/"}) {
    EXPECT_FALSE(parse_id(id)) << id;
  }
}

}  // namespace
}  // namespace berth::file
