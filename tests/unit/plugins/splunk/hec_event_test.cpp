// SPDX-License-Identifier: Apache-2.0
#include "hec_event.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "splunk_support.hpp"

namespace berth::splunk {
namespace {

TEST(HecEvent, IsWhatTheCollectorTakes) {
  const std::string events = events_of(settings_with(), {"say \"hi\""});
  EXPECT_EQ(events,
            R"({"time":1767323045.006000000,"host":"b1","source":"berth",)"
            R"("sourcetype":"berth:activation","index":"main","event":{)"
            R"("log_timestamp":"2026-01-02T03:04:05.006000000Z","log_stream":"stdout",)"
            R"("namespace":"guest","activation_id":"44794bd6aab74415b4e42a308d880e5b",)"
            R"("action":"guest/demo/hello","namespaceId":"23bc46b1-71f6-4ed5-8c54-816aa4f8c502",)"
            R"("sequence":0,"final":true,"log_message":"say \"hi\""}})");
  EXPECT_NO_THROW(boost::json::parse(events));
}

TEST(HecEvent, NamesOfFieldsAreTheOperators) {
  const std::string events = events_of(
      settings_with(R"("message_field":"msg","time_field":"ts","host":"h","index":"i")"), {"x"});
  EXPECT_NE(events.find(R"("event":{"ts":"2026)"), std::string::npos);
  EXPECT_NE(events.find(R"("msg":"x")"), std::string::npos);
  EXPECT_NE(events.find(R"("index":"i")"), std::string::npos);
}

TEST(HecEvent, ComesBackAsItWas) {
  const Settings settings = settings_with();
  const std::string nasty("\0\x01\n\t\\\"é😀\xff", 13);
  const auto pieces = parse_events(settings, events_of(settings, {"a", nasty, ""}), "guest");
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].text, "a");
  EXPECT_EQ(pieces[0].sequence, 0u);
  EXPECT_FALSE(pieces[0].final);
  EXPECT_EQ(pieces[0].time_ns, 1'767'323'045'006'000'000);
  EXPECT_EQ(pieces[1].text, std::string("\0\x01\n\t\\\"é😀\xef\xbf\xbd", 15));
  EXPECT_EQ(pieces[1].stream, sdk::Stream::kStderr);
  EXPECT_EQ(pieces[2].text, "");
  EXPECT_TRUE(pieces[2].final);
  EXPECT_TRUE(parse_events(settings, events_of(settings, {"a"}), "other").empty());
}

TEST(HecEvent, AnEndWithoutLinesIsAnEvent) {
  const Settings settings = settings_with();
  const auto pieces = parse_events(settings, events_of(settings, {}), "guest");
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].sequence, kEnd);
  EXPECT_TRUE(pieces[0].final);
  EXPECT_TRUE(events_of(settings, {}, false).empty());
}

TEST(HecEvent, LongLinesAreSentInPartsThatSplitNoCharacter) {
  const Settings settings = settings_with(R"("max_event_bytes":512)");
  std::string text;
  for (int i = 0; i < 700; ++i) text += "€";
  const auto pieces = parse_events(settings, events_of(settings, {text}), "guest");
  ASSERT_GT(pieces.size(), 4u);
  std::string joined;
  for (const Piece& piece : pieces) {
    EXPECT_EQ(piece.parts, pieces.size());
    EXPECT_EQ(piece.part, &piece - pieces.data());
    EXPECT_LE(piece.text.size(), 512u);
    EXPECT_EQ(piece.text.find("\xef\xbf\xbd"), std::string::npos);
    joined += piece.text;
  }
  EXPECT_EQ(joined, text);
}

TEST(HecEvent, DamageEndsIt) {
  const Settings settings = settings_with();
  const std::string events = events_of(settings, {"a", "b"});
  for (std::size_t cut = 0; cut < events.size(); ++cut) {
    EXPECT_LE(parse_events(settings, events.substr(0, cut), "guest").size(), 1u);
  }
  EXPECT_TRUE(parse_events(settings, "[1,2]", "guest").empty());
  EXPECT_TRUE(parse_events(settings, R"({"event":"text"})", "guest").empty());
}

TEST(HecEvent, TimesAreRead) {
  EXPECT_EQ(parse_time("2026-01-02T03:04:05Z"), 1'767'323'045'000'000'000);
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.5Z"), 1'767'323'045'500'000'000);
  EXPECT_EQ(parse_time("2026-01-02T03:04:05.123456789Z"), 1'767'323'045'123'456'789);
  for (const char* bad : {"", "yesterday", "2026-13-02T03:04:05Z", "0001-01-01T00:00:00Z"}) {
    EXPECT_EQ(parse_time(bad), 0) << bad;
  }
}

}  // namespace
}  // namespace berth::splunk
