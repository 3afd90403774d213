// SPDX-License-Identifier: Apache-2.0
#include "http/ticker.hpp"

#include <deque>
#include <gmock/gmock.h>
#include <memory>
#include <string>

namespace berth::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A limit that notes when it expired.
struct Noted {
  Noted(Ticker& ticker, std::string* notes, char name)
      : limit(ticker, &Noted::expired, this), log(notes), letter(name) {}
  static void expired(void* self) {
    auto& noted = *static_cast<Noted*>(self);
    noted.at = steady_clock::now();
    noted.log->push_back(noted.letter);
    if (noted.then) noted.then();
  }
  Ticker::Limit limit;
  std::string* log;
  char letter;
  SteadyTime at;
  std::function<void()> then;
};

class TickerTest : public testing::Test {
 protected:
  boost::asio::io_context io_{1};
  Ticker& ticker_ = Ticker::of(io_);
  std::string notes_;
};

TEST_F(TickerTest, LimitsExpireInTurnAndNeverEarly) {
  std::deque<Noted> limits;
  const SteadyTime start = steady_clock::now();
  for (const char letter : {'c', 'a', 'd', 'b'}) {
    limits.emplace_back(ticker_, &notes_, letter);
    limits.back().limit.set(start + milliseconds(60) * (letter - 'a' + 1));
  }
  io_.run();
  EXPECT_EQ(notes_, "abcd");
  for (const Noted& limit : limits) {
    EXPECT_GE(limit.at, start + milliseconds(60) * (limit.letter - 'a' + 1));
  }
}

TEST_F(TickerTest, LimitsMoveBothWaysAndAreCleared) {
  Noted later(ticker_, &notes_, 'l');
  Noted sooner(ticker_, &notes_, 's');
  Noted never(ticker_, &notes_, 'n');
  const SteadyTime start = steady_clock::now();
  later.limit.set(start + milliseconds(40));
  later.limit.set(start + milliseconds(200));
  sooner.limit.set(start + std::chrono::hours(1));
  sooner.limit.set(start + milliseconds(100));
  never.limit.set(start + milliseconds(60));
  never.limit.clear();
  EXPECT_TRUE(later.limit.is_set());
  EXPECT_FALSE(never.limit.is_set());
  io_.run();
  EXPECT_EQ(notes_, "sl");
  EXPECT_GE(later.at, start + milliseconds(200));
  EXPECT_FALSE(later.limit.is_set());
}

TEST_F(TickerTest, TheLoopEndsWhenNoLimitIsSet) {
  Noted limit(ticker_, &notes_, 'a');
  limit.limit.set_after(std::chrono::hours(1));
  io_.run_for(milliseconds(50));
  EXPECT_FALSE(io_.stopped());
  limit.limit.clear();
  io_.run();  // would last an hour
  EXPECT_EQ(notes_, "");
}

TEST_F(TickerTest, EndlessAndPastLimitsAreFine) {
  Noted endless(ticker_, &notes_, 'e');
  Noted past(ticker_, &notes_, 'p');
  endless.limit.set(SteadyTime::max());
  past.limit.set(SteadyTime());
  past.then = [&] { endless.limit.clear(); };
  io_.run();
  EXPECT_EQ(notes_, "p");
}

TEST_F(TickerTest, ExpiringMaySetAndDestroyLimits) {
  auto victim = std::make_unique<Noted>(ticker_, &notes_, 'v');
  Noted killer(ticker_, &notes_, 'k');
  const SteadyTime soon = steady_clock::now() + milliseconds(30);
  killer.limit.set(soon);
  victim->limit.set(soon);
  int rounds = 0;
  killer.then = [&] {
    victim.reset();
    if (++rounds < 3) killer.limit.set_after(milliseconds(0));
  };
  io_.run();
  EXPECT_EQ(notes_, "kkk");
}

TEST_F(TickerTest, WorksAgainAfterARest) {
  Noted limit(ticker_, &notes_, 'a');
  limit.limit.set_after(milliseconds(10));
  io_.run();
  io_.restart();
  Noted stale(ticker_, &notes_, 's');
  stale.limit.set_after(milliseconds(500));
  stale.limit.clear();  // stays in the wheel, unset
  limit.limit.set_after(milliseconds(10));
  io_.run();
  EXPECT_EQ(notes_, "aa");
}

TEST_F(TickerTest, LimitsMayOutliveTheLoop) {
  auto io = std::make_unique<boost::asio::io_context>(1);
  Noted limit(Ticker::of(*io), &notes_, 'a');
  limit.limit.set_after(milliseconds(10));
  io.reset();
  EXPECT_FALSE(limit.limit.is_set());
}

}  // namespace
}  // namespace berth::http
