// SPDX-License-Identifier: Apache-2.0
// The stock of prewarmed containers follows demand, and idle ones are kept as asked.
#include <gmock/gmock.h>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

constexpr const char* kReactive = R"([{"initialCount":1,"memory":"256 MB",
    "reactive":{"minCount":1,"maxCount":4,"ttl":"10 minutes","threshold":2,"increment":1}}])";

class Prewarm : public PoolTest {
 protected:
  Prewarm() {
    options.memory_bytes = 64 * 256 * kMb;
    options.prewarm_interval = 60s;
  }
  // Several activations of different actions at once, and their ends.
  void burst(int count) {
    std::vector<TestWaiter*> running;
    for (int i = 0; i < count; ++i) {
      running.push_back(&waiter(test::make_action("x" + std::to_string(next++))));
      ASSERT_TRUE(pool->acquire(*running.back()).ok());
    }
    settle();
    for (TestWaiter* one : running) finish(*one, false);
  }
  std::uint32_t wanted() const { return pool->prewarming().at(0).wanted; }
  int next = 0;
};

TEST_F(Prewarm, FollowsColdStartsBetweenItsLimits) {
  start(kReactive);
  EXPECT_EQ(wanted(), 1u);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  burst(5);  // one is prewarmed, four start cold
  tick(60s);
  EXPECT_EQ(wanted(), 2u);
  EXPECT_EQ(count(State::kPrewarmed), 2u);
  burst(40);
  tick(60s);
  EXPECT_EQ(wanted(), 4u) << "no more than the most";
  EXPECT_EQ(count(State::kPrewarmed), 4u);
  tick(60s);
  EXPECT_EQ(wanted(), 1u);
  EXPECT_EQ(count(State::kPrewarmed), 4u) << "they live for a while";
  tick(10min);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
}

TEST_F(Prewarm, TheLeastNumberIsNotMadeAnewForItsAge) {
  start(kReactive);
  for (int hour = 0; hour < 24; ++hour) tick(1h);
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_TRUE(factory.destroyed.empty());
}

TEST_F(Prewarm, AFailureIsShownWithItsReason) {
  factory.create_failures = {sdk::internal("broken image")};
  start(kReactive);
  ASSERT_EQ(pool->prewarming().size(), 1u);
  EXPECT_EQ(pool->prewarming()[0].failures, 1u);
  EXPECT_NE(pool->prewarming()[0].last_error.find("broken image"), std::string::npos);
  tick(options.prewarm_backoff_min);
  EXPECT_EQ(pool->prewarming()[0].failures, 0u);
  EXPECT_EQ(pool->prewarming()[0].last_error, "");
}

// What is in stock when, two hours in a row, five activations come in the same minute.
class ByTheClock : public Prewarm {
 protected:
  std::vector<std::size_t> stock_before_bursts() {
    std::vector<std::size_t> stock;
    const auto minute = [this] { return clock.wall_ms() / 60'000 % 60; };
    const std::int64_t when = (minute() + 5) % 60;
    std::int64_t before = minute();
    for (int half_minutes = 0; half_minutes < 240; ++half_minutes) {
      tick(30s);
      if (minute() == when && before != when) {
        stock.push_back(count(State::kPrewarmed));
        burst(5);
      }
      before = minute();
    }
    return stock;
  }
};

TEST_F(ByTheClock, NothingIsPredictedUnlessAsked) {
  start(kReactive);
  EXPECT_THAT(stock_before_bursts(), testing::ElementsAre(1u, 1u));
}

TEST_F(ByTheClock, WhatCameInThatMinuteIsExpectedAgain) {
  options.predict = true;
  start(kReactive);
  EXPECT_THAT(stock_before_bursts(), testing::ElementsAre(1u, 4u)) << "within the most";
}

class Keep : public PoolTest {
 protected:
  Keep() {
    options.keep = 1;
    options.keep_timeout = 1h;
    options.idle_timeout = 60s;
    options.pause_grace = 24h;
  }
};

TEST_F(Keep, SoManyOfAnActionStayForLonger) {
  start();
  TestWaiter& one = ask("a");
  TestWaiter& two = ask("a");
  finish(one);
  finish(two);
  tick(60s);
  EXPECT_EQ(count(State::kReady), 1u);
  tick(30min);
  TestWaiter& again = ask("a");
  EXPECT_EQ(again.lease.kind(), StartKind::kWarm);
  finish(again);
  tick(60s);
  EXPECT_EQ(count(State::kReady), 1u);
  tick(1h);
  EXPECT_EQ(count(State::kReady), 0u);
  EXPECT_EQ(used_mb(), 0u);
}

TEST_F(Keep, WhatIsKeptGoesFirstWhenMemoryIsNeeded) {
  options.memory_bytes = 512 * kMb;
  start();
  const std::string kept = warm("a");
  tick(60s);
  warm("b");
  EXPECT_TRUE(ask("c").served());
  EXPECT_THAT(factory.destroyed, testing::ElementsAre(kept));
}

}  // namespace
}  // namespace berth::container
