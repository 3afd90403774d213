// SPDX-License-Identifier: Apache-2.0
// When alarms ring: dates, cron expressions, clocks that are put.
#include "activation/alarm_schedule.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace berth::activation {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMinute = 60'000;

Result<AlarmSchedule> schedule(AlarmKind kind, const char* config, std::int64_t created = 0) {
  return AlarmSchedule::parse(kind, json::parse(config).as_object(), created, "guest/t");
}

TEST(AlarmSchedule, ReadsDates) {
  EXPECT_EQ(parse_date("2026-01-01T00:00:00.000Z"), 1'767'225'600'000);
  EXPECT_EQ(parse_date("2026-01-01T02:00:00.25+02:00"), 1'767'225'600'250);
  EXPECT_EQ(parse_date("2026-01-01"), 1'767'225'600'000);
  EXPECT_EQ(parse_date(json::value(17)), 17);
  EXPECT_EQ(parse_date("1767225600000"), 1'767'225'600'000);
  for (const char* text : {"", "tomorrow", "2026-13-01", "2026-02-30", "2026-01-01T25:00Z",
                           "2026-01-01T10:00:00x", "2026-1-1", "9223372036854775807", "-1",
                           "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
  EXPECT_EQ(parse_date(json::value(253'402'300'799'999)), 253'402'300'799'999);
  for (const std::int64_t ms :
       {std::int64_t{253'402'300'800'000}, INT64_MAX, std::int64_t{-1}, INT64_MIN}) {
    EXPECT_FALSE(parse_date(json::value(ms))) << ms;
  }
}

TEST(AlarmSchedule, TheLastDateOverflowsNothing) {
  const auto cron =
      schedule(AlarmKind::kCron, R"({"cron":"* * * * *","startDate":253402300799999})");
  ASSERT_TRUE(cron);
  EXPECT_EQ(cron->next(0), 253'402'300'800'000);
  EXPECT_EQ(cron->next(INT64_MAX), std::nullopt);
  const auto interval =
      schedule(AlarmKind::kInterval, R"({"minutes":1,"startDate":253402300799999})");
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->next(0), 253'402'300'799'999);
  EXPECT_GT(interval->next(INT64_MAX), 253'402'300'799'999);
  // Such as a damaged file may have.
  EXPECT_GT(schedule(AlarmKind::kInterval, R"({"minutes":1})", INT64_MAX)->next(0), 0);
}

TEST(AlarmSchedule, RingsInTime) {
  const auto cron = schedule(AlarmKind::kCron, R"({"cron":"*/10 * * * *","stopDate":3600000})");
  ASSERT_TRUE(cron);
  EXPECT_EQ(cron->next(0), 10 * kMinute);
  EXPECT_EQ(cron->next(59 * kMinute), 60 * kMinute);
  EXPECT_FALSE(cron->next(60 * kMinute));

  const auto interval = schedule(AlarmKind::kInterval, R"({"minutes":2})", 500);
  EXPECT_EQ(interval->next(500), 2 * kMinute + 500);
  EXPECT_EQ(interval->next(2 * kMinute + 500), 4 * kMinute + 500);
  const auto later = schedule(AlarmKind::kInterval, R"({"minutes":"2","startDate":600000})", 500);
  EXPECT_EQ(later->next(500), 10 * kMinute);
  EXPECT_EQ(later->next(10 * kMinute), 12 * kMinute);

  const auto once = schedule(AlarmKind::kOnce, R"({"date":5000})");
  EXPECT_EQ(once->next(4999), 5000);
  EXPECT_FALSE(once->next(5000));
}

// 2026-03-29 and 2026-10-25 are the days on which clocks are put in Berlin.
std::int64_t date(const char* text) {
  return parse_date(text).value_or(-1);
}

TEST(AlarmSchedule, RingsByTheClockOfAZone) {
  const auto cron = [](const char* text, const char* zone = "Europe/Berlin") {
    return *schedule(AlarmKind::kCron,
                     json::serialize(json::object{{"cron", text}, {"timezone", zone}}).c_str());
  };
  // Winter and summer.
  EXPECT_EQ(cron("0 9 * * *").next(date("2026-01-10")), date("2026-01-10T09:00:00+01:00"));
  EXPECT_EQ(cron("0 9 * * *").next(date("2026-07-10")), date("2026-07-10T09:00:00+02:00"));
  EXPECT_EQ(cron("0 9 * * MON", "Asia/Kolkata").next(date("2026-01-10")),
            date("2026-01-12T09:00:00+05:30"));
  EXPECT_EQ(cron("0 0 1 * *", "America/New_York").next(date("2026-01-10")),
            date("2026-02-01T00:00:00-05:00"));
  EXPECT_EQ(cron("30 6 * * *", "UTC").next(date("2026-07-10")), date("2026-07-10T06:30:00Z"));
}

TEST(AlarmSchedule, ClocksThatArePutLoseNothingAndRepeatNothing) {
  const auto rings = [](const char* text, const char* from, std::size_t count) {
    const auto cron = *schedule(
        AlarmKind::kCron,
        json::serialize(json::object{{"cron", text}, {"timezone", "Europe/Berlin"}}).c_str());
    std::vector<std::int64_t> found;
    std::int64_t at = date(from);
    while (found.size() < count) {
      const auto next = cron.next(at);
      if (!next) break;
      EXPECT_GT(*next, at);
      found.push_back(at = *next);
    }
    return found;
  };
  using Times = std::vector<std::int64_t>;
  // 02:30 is not shown on the 29th of March: the clock goes from 02:00 to 03:00.
  EXPECT_EQ(rings("30 2 * * *", "2026-03-28T00:00:00Z", 3),
            (Times{date("2026-03-28T02:30:00+01:00"), date("2026-03-29T03:00:00+02:00"),
                   date("2026-03-30T02:30:00+02:00")}));
  // What would have rung thrice rings once.
  EXPECT_EQ(rings("*/20 2-3 * * *", "2026-03-29T00:30:00Z", 3),
            (Times{date("2026-03-29T03:00:00+02:00"), date("2026-03-29T03:20:00+02:00"),
                   date("2026-03-29T03:40:00+02:00")}));
  // 02:30 is shown twice on the 25th of October.
  EXPECT_EQ(rings("30 2 * * *", "2026-10-24T20:00:00Z", 2),
            (Times{date("2026-10-25T02:30:00+02:00"), date("2026-10-26T02:30:00+01:00")}));
  EXPECT_EQ(rings("0 2,3 * * *", "2026-10-24T20:00:00Z", 2),
            (Times{date("2026-10-25T02:00:00+02:00"), date("2026-10-25T03:00:00+01:00")}));
  // Every hour is every hour.
  EXPECT_EQ(rings("30 * * * *", "2026-10-24T23:45:00Z", 3),
            (Times{date("2026-10-25T00:30:00Z"), date("2026-10-25T01:30:00Z"),
                   date("2026-10-25T02:30:00Z")}));
  EXPECT_EQ(rings("30 * * * *", "2026-03-28T23:45:00Z", 3),
            (Times{date("2026-03-29T00:30:00Z"), date("2026-03-29T01:30:00Z"),
                   date("2026-03-29T02:30:00Z")}));
}

// Against each minute of a year, looked at one by one.
TEST(AlarmSchedule, AgreesWithTheClockOnTheWall) {
  const auto zone = TimeZone::find("America/St_Johns");
  ASSERT_TRUE(zone);
  const auto cron =
      *schedule(AlarmKind::kCron, R"({"cron":"*/7 3-5 * * *","timezone":"America/St_Johns"})");
  std::int64_t ring = date("2026-01-01");
  const std::int64_t end = date("2027-01-01");
  std::vector<std::int64_t> wanted;
  for (std::int64_t minute = ring + kMinute; minute < end; minute += kMinute) {
    const std::int64_t local = minute / 60'000 + zone->at(minute / 1000).offset_s / 60;
    const std::int64_t hour = local / 60 % 24;
    if (local % 60 % 7 == 0 && hour >= 3 && hour <= 5) wanted.push_back(minute);
  }
  for (const std::int64_t minute : wanted) {
    ring = cron.next(ring).value_or(-1);
    ASSERT_EQ(ring, minute);
  }
}

TEST(AlarmSchedule, IsNotStrictOnDemand) {
  const auto loose = schedule(AlarmKind::kCron, R"({"cron":"* * * * *","strict":"false"})");
  const auto strict = schedule(AlarmKind::kCron, R"({"cron":"* * * * *","strict":true})");
  const auto seconds = schedule(AlarmKind::kCron, R"({"cron":"0 * * * * *","strict":false})");
  ASSERT_TRUE(loose && strict && seconds);
  EXPECT_EQ(strict->next(0), kMinute);
  EXPECT_EQ(seconds->next(0), kMinute);
  const std::int64_t first = loose->next(0).value_or(-1);
  EXPECT_EQ(loose->next(first), first + kMinute) << "always the same second";
  // Of many triggers some ring in other seconds than others.
  std::set<std::int64_t> rings;
  for (int i = 0; i < 50; ++i) {
    const auto other = AlarmSchedule::parse(
        AlarmKind::kCron, json::parse(R"({"cron":"* * * * *","strict":false})").as_object(), 0,
        "guest/t" + std::to_string(i));
    rings.insert(other->next(0).value_or(-1));
  }
  EXPECT_GT(rings.size(), 10u);
  EXPECT_LT(*rings.rbegin(), 2 * kMinute);
}

TEST(AlarmSchedule, SaysWhatIsWrong) {
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","timezone":"Europe/Atlantis"})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","timezone":"../UTC"})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","timezone":""})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","timezone":7})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","strict":"perhaps"})"));
  EXPECT_FALSE(schedule(AlarmKind::kOnce, R"({"date":5000,"deleteAfterFire":"all"})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, "{}"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"whenever"})"));
  EXPECT_FALSE(schedule(AlarmKind::kInterval, R"({"minutes":0})"));
  EXPECT_FALSE(schedule(AlarmKind::kOnce, R"({"date":"soon"})"));
  EXPECT_FALSE(schedule(AlarmKind::kCron, R"({"cron":"* * * * *","startDate":2,"stopDate":1})"));
}

}  // namespace
}  // namespace berth::activation
