// SPDX-License-Identifier: Apache-2.0
#include "base/cron.hpp"

#include <gtest/gtest.h>

namespace berth {
namespace {

// 2026-01-01 00:00:00 UTC, a Thursday.
constexpr std::int64_t kNewYear = 1'767'225'600'000;
constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

std::int64_t next(std::string_view text, std::int64_t after_ms) {
  const auto cron = Cron::parse(text);
  EXPECT_TRUE(cron) << text;
  return cron ? cron->next(after_ms).value_or(-1) : -2;
}

TEST(Cron, FindsTheNextTime) {
  EXPECT_EQ(next("* * * * *", kNewYear), kNewYear + kMinute);
  EXPECT_EQ(next("* * * * *", kNewYear - 1), kNewYear);
  EXPECT_EQ(next("* * * * * *", kNewYear), kNewYear + 1000);
  EXPECT_EQ(next("* * * * * *", kNewYear + 1), kNewYear + 1000);
  EXPECT_EQ(next("*/5 * * * *", kNewYear + kMinute), kNewYear + 5 * kMinute);
  EXPECT_EQ(next("30 6 * * *", kNewYear), kNewYear + 6 * kHour + 30 * kMinute);
  EXPECT_EQ(next("30 6 * * *", kNewYear + 6 * kHour + 30 * kMinute),
            kNewYear + kDay + 6 * kHour + 30 * kMinute);
  EXPECT_EQ(next("15,45 10-12/2 * * *", kNewYear + 10 * kHour + 50 * kMinute),
            kNewYear + 12 * kHour + 15 * kMinute);
  EXPECT_EQ(next("10/20 * * * *", kNewYear), kNewYear + 10 * kMinute);
  EXPECT_EQ(next("20 30 1 * * *", kNewYear), kNewYear + kHour + 30 * kMinute + 20'000);
}

TEST(Cron, KnowsTheCalendar) {
  EXPECT_EQ(next("0 0 * * SUN", kNewYear), kNewYear + 3 * kDay);
  EXPECT_EQ(next("0 0 * * 7", kNewYear), kNewYear + 3 * kDay);
  EXPECT_EQ(next("0 0 * * mon-fri", kNewYear + kDay), kNewYear + 4 * kDay);
  EXPECT_EQ(next("0 0 1 FEB *", kNewYear), kNewYear + 31 * kDay);
  // The day of the month or that of the week.
  EXPECT_EQ(next("0 0 5 * SAT", kNewYear), kNewYear + 2 * kDay);
  EXPECT_EQ(next("0 0 5 * SAT", kNewYear + 2 * kDay), kNewYear + 4 * kDay);
  // 2028 is the next leap year.
  EXPECT_EQ(next("0 0 29 2 *", kNewYear), kNewYear + (365 + 365 + 31 + 28) * kDay);
  EXPECT_EQ(next("0 0 30 2 *", kNewYear), -1);
}

// What a stranger may give as a date must not overflow what is reckoned with it.
TEST(Cron, HasAnEndAndABeginning) {
  EXPECT_EQ(next("* * * * *", INT64_MAX), -1);
  EXPECT_EQ(next("* * * * *", 253'402'300'799'999), -1);
  EXPECT_EQ(next("* * * * *", INT64_MIN), 0);
}

TEST(Cron, HasABoundedLength) {
  const std::string fields = " * * * *";
  std::string minutes = "00";
  while (minutes.size() + fields.size() < 256) minutes.insert(0, 1, '0');
  EXPECT_TRUE(Cron::parse(minutes + fields));
  EXPECT_FALSE(Cron::parse("0" + minutes + fields));
}

TEST(Cron, SaysWhatIsWrong) {
  for (const char* text : {"", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
                           "* * * 13 *", "* * * * 8", "x * * * *", "5-1 * * * *", "*/0 * * * *",
                           "1, * * * *", "1-2-3 * * * *", "-1 * * * *"}) {
    const auto cron = Cron::parse(text);
    ASSERT_FALSE(cron) << text;
    EXPECT_EQ(cron.error().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_NE(Cron::parse("* 99 * * *").error().message().find("hour field '99'"), std::string::npos);
}

}  // namespace
}  // namespace berth
