// SPDX-License-Identifier: Apache-2.0
// Factories that fail, are slow or lie, and containers that die.
#include <gmock/gmock.h>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(PoolTest, AFailedStartFailsOneActivation) {
  start();
  factory.create_failures = {Status(StatusCode::kNotFound, "no such image", sdk::kUserError)};
  TestWaiter& first = ask("a");
  ASSERT_TRUE(first.failure);
  EXPECT_EQ(first.failure->code(), StatusCode::kNotFound);
  EXPECT_TRUE(first.failure->user_error());
  EXPECT_EQ(used_mb(), 0u);
  EXPECT_TRUE(ask("a").served());
}

TEST_F(PoolTest, EachFailedStartFailsOneOfThoseThatWait) {
  start();
  factory.hold_creates = true;
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("a");
  factory.create_failures = {sdk::internal("broken")};
  factory.let_create();
  settle();
  EXPECT_TRUE(first.failure);
  EXPECT_FALSE(second.failure);
  factory.let_create();
  settle();
  EXPECT_TRUE(second.served());
}

TEST_F(PoolTest, AStartIsTriedAgainWhereTheFactorySaysSo) {
  start();
  factory.create_failures = {sdk::unavailable("engine is down"), sdk::unavailable("still")};
  TestWaiter& first = ask("a");
  EXPECT_FALSE(first.failure);
  EXPECT_FALSE(first.served());
  EXPECT_EQ(factory.created.size(), 1u);
  tick();
  EXPECT_EQ(factory.created.size(), 1u) << "not before its time";
  tick(options.start_retry);
  EXPECT_EQ(factory.created.size(), 2u);
  tick(options.start_retry);
  EXPECT_EQ(factory.created.size(), 2u) << "twice as long the second time";
  tick(options.start_retry);
  EXPECT_TRUE(first.served());
}

TEST_F(PoolTest, NoActivationIsLostWhileTheEngineIsAwayForAWhile) {
  options.memory_bytes = 8192 * kMb;
  options.max_wait = 60s;
  start();
  for (int i = 0; i < 1000; ++i) factory.create_failures.push_back(sdk::unavailable("away"));
  for (int i = 0; i < 20; ++i) ask("a" + std::to_string(i % 10));
  for (int second = 0; second < 55; ++second) {
    for (int i = 0; i < 10; ++i) tick(100ms);
  }
  EXPECT_LT(factory.created.size(), 20u * 25u) << "the tries become fewer";
  for (const auto& one : waiters) {
    EXPECT_FALSE(one->failure);
    EXPECT_FALSE(one->served());
  }
  factory.create_failures.clear();
  tick(options.start_retry_max);
  for (const auto& one : waiters) EXPECT_TRUE(one->served());
}

TEST_F(PoolTest, AnEngineThatStaysAwayFailsActivationsInTheEnd) {
  options.max_wait = 10s;
  start();
  for (int i = 0; i < 1000; ++i) factory.create_failures.push_back(sdk::unavailable("away"));
  TestWaiter& first = ask("a");
  tick(9s);
  TestWaiter& second = ask("a");
  EXPECT_FALSE(first.failure);
  tick(5s);
  ASSERT_TRUE(first.failure);
  EXPECT_EQ(first.failure->message(), "away");
  EXPECT_FALSE(second.failure) << "it has not waited so long";
  tick(5s);
  tick(5s);
  EXPECT_TRUE(second.failure);
  EXPECT_EQ(pool->stats().queue, 0u);
}

TEST_F(PoolTest, AFactoryThatGivesAnIdTwiceCostsOneStart) {
  start();
  TestWaiter& first = ask("a");
  ASSERT_TRUE(first.served());
  factory.lie_about_id = first.lease.container_id();
  TestWaiter& second = ask("b");
  ASSERT_TRUE(second.failure);
  EXPECT_EQ(second.failure->code(), StatusCode::kInternal);
  factory.lie_about_id = "";
  TestWaiter& third = ask("c");
  EXPECT_TRUE(third.failure) << "no id at all";
  EXPECT_THAT(factory.destroyed, IsEmpty()) << "the id is that of a container in use";
  EXPECT_EQ(used_mb(), 256u);
  factory.lie_about_id.reset();
  finish(first);
  EXPECT_EQ(ask("a").lease.kind(), StartKind::kWarm);
}

TEST_F(PoolTest, AnAddressThatIsNoneCostsOneStart) {
  start();
  factory.lie_about_address = "carrier-pigeon:7";
  TestWaiter& first = ask("a");
  EXPECT_TRUE(first.failure);
  EXPECT_EQ(factory.destroyed.size(), 1u);
  EXPECT_EQ(used_mb(), 0u);
  factory.lie_about_address.reset();
  EXPECT_TRUE(ask("a").served());
}

TEST_F(PoolTest, AWaiterWhoseStartFailedMayStillGetAnotherContainer) {
  start();
  TestWaiter& first = ask("a");
  factory.create_failures = {sdk::unavailable("engine is down")};
  TestWaiter& second = ask("a");
  EXPECT_FALSE(second.served());
  finish(first);
  EXPECT_TRUE(second.served());
  tick(options.start_retry);
  EXPECT_EQ(factory.created.size(), 2u) << "nobody needs the retry";
}

TEST_F(PoolTest, AFailedStartGivesItsMemoryToOthers) {
  options.memory_bytes = 256 * kMb;
  start();
  factory.hold_creates = true;
  factory.create_failures = {sdk::internal("broken")};
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("b");
  factory.let_create();
  settle();
  EXPECT_TRUE(first.failure);
  factory.let_create();
  settle();
  EXPECT_TRUE(second.served());
}

TEST_F(PoolTest, ADeathWhileCreatingIsAFailedStart) {
  start();
  factory.die_in_create = true;
  TestWaiter& first = ask("a");
  settle();
  // Retried, as another one may live.
  factory.die_in_create = false;
  tick(options.start_retry);
  EXPECT_TRUE(first.served() || first.failure);
  EXPECT_EQ(used_mb(), first.served() ? 256u : 0u);
}

TEST_F(PoolTest, AnIdleContainerThatDiesIsNotGivenToAnybody) {
  start();
  const std::string id = warm("a");
  factory.die(id);
  settle();
  EXPECT_THAT(factory.destroyed, ElementsAre(id)) << "destroy is still called";
  EXPECT_EQ(used_mb(), 0u);
  EXPECT_EQ(ask("a").lease.kind(), StartKind::kCold);
}

TEST_F(PoolTest, ADeathWhileRunningIsToldAndTheContainerGoesWithItsLease) {
  start();
  TestWaiter& first = ask("a");
  first.lease.initialised();
  const std::string id = first.lease.container_id();
  int told = 0;
  first.lease.on_death([&] { ++told; });
  EXPECT_EQ(told, 0);
  factory.die(id, 137, true);
  settle();
  EXPECT_EQ(told, 1);
  ASSERT_TRUE(first.lease.death());
  EXPECT_TRUE(first.lease.death()->oom);
  EXPECT_EQ(first.lease.client(), nullptr);
  first.lease.on_death([&] { ++told; });
  EXPECT_EQ(told, 2) << "at once, as it is known";
  EXPECT_THAT(factory.destroyed, IsEmpty());
  first.lease.release(true);
  settle();
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
}

TEST_F(PoolTest, AnUnfitContainerIsRemovedAndWhoWaitsGetsANewOne) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("a");
  finish(first, false);
  EXPECT_EQ(factory.destroyed.size(), 1u);
  ASSERT_TRUE(second.served());
  EXPECT_EQ(second.lease.kind(), StartKind::kCold);
}

TEST_F(PoolTest, ADroppedLeaseCountsAsUnfit) {
  start();
  TestWaiter& first = ask("a");
  first.lease = Lease();
  settle();
  EXPECT_EQ(factory.destroyed.size(), 1u);
}

TEST_F(PoolTest, AHoldDelaysTheDestroyOnly) {
  start();
  TestWaiter& first = ask("a");
  std::shared_ptr<void> hold = first.lease.hold();
  std::shared_ptr<void> other = first.lease.hold();
  finish(first, false);
  EXPECT_EQ(count(State::kRemoving), 1u);
  EXPECT_THAT(factory.destroyed, IsEmpty());
  hold.reset();
  settle();
  EXPECT_THAT(factory.destroyed, IsEmpty());
  other.reset();
  settle();
  EXPECT_EQ(factory.destroyed.size(), 1u);
}

TEST_F(PoolTest, AFailedDestroyIsTriedAgainAndItsMemoryStaysCounted) {
  start();
  factory.destroy_failures = {sdk::unavailable("engine is down"), sdk::unavailable("still")};
  TestWaiter& first = ask("a");
  finish(first, false);
  EXPECT_EQ(used_mb(), 256u);
  tick(1s);
  EXPECT_EQ(used_mb(), 256u);
  tick(1s);
  EXPECT_EQ(used_mb(), 0u);
  EXPECT_EQ(factory.destroyed.size(), 1u);
}

TEST_F(PoolTest, ADestroyOfWhatIsGoneIsWell) {
  start();
  TestWaiter& first = ask("a");
  factory.boxes.clear();
  finish(first, false);
  EXPECT_EQ(used_mb(), 0u);
}

TEST_F(PoolTest, ARetiredContainerServesToTheEndAndGoes) {
  start();
  TestWaiter& first = ask("a");
  first.lease.initialised();
  pool->retire(first.lease.container_id());
  pool->retire("unknown");
  settle();
  EXPECT_THAT(factory.destroyed, IsEmpty());
  finish(first);
  EXPECT_EQ(factory.destroyed.size(), 1u);
  const std::string idle = warm("b");
  pool->retire(idle);
  settle();
  EXPECT_THAT(factory.destroyed, Contains(idle));
}

TEST_F(PoolTest, FailingPrewarmingBacksOff) {
  options.prewarm_backoff_min = 1s;
  options.prewarm_backoff_max = 4s;
  for (int i = 0; i < 20; ++i) factory.create_failures.push_back(sdk::internal("broken image"));
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  EXPECT_EQ(factory.created.size(), 1u);
  tick(900ms);
  EXPECT_EQ(factory.created.size(), 1u);
  tick(100ms);
  EXPECT_EQ(factory.created.size(), 2u);
  tick(1s);
  EXPECT_EQ(factory.created.size(), 2u) << "twice as long now";
  tick(1s);
  EXPECT_EQ(factory.created.size(), 3u);
  for (int i = 0; i < 3; ++i) tick(4s);
  EXPECT_EQ(factory.created.size(), 6u) << "never longer than the maximum";
  factory.create_failures.clear();
  tick(4s);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  // All is well again: no delay any more.
  ask("a");
  EXPECT_EQ(factory.created.size(), 8u);
}

TEST_F(PoolTest, APrewarmedContainerThatDiesIsReplacedAfterAWhile) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  factory.die(factory.boxes.begin()->first);
  settle();
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_EQ(used_mb(), 0u);
  tick(options.prewarm_backoff_min);
  EXPECT_EQ(factory.created.size(), 2u);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
}

TEST_F(PoolTest, PrewarmingNeverTakesMemoryFromWork) {
  options.memory_bytes = 512 * kMb;
  start(R"([{"initialCount":2,"memory":"256 MB"}])");
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("b");
  EXPECT_EQ(factory.created.size(), 2u) << "no memory for replacements";
  TestWaiter& third = ask("c");
  finish(first, false);
  EXPECT_TRUE(third.served()) << "and not a prewarmed one";
  EXPECT_EQ(count(State::kPrewarmed), 0u);
  finish(second, false);
  tick();
  EXPECT_EQ(count(State::kPrewarmed), 1u);
}

TEST_F(PoolTest, WhatAnEarlierBerthdLeftIsRemovedAndItsNamesAreNotUsedAgain) {
  plugin::ContainerInfo left;
  left.id = "old";
  left.name = "berth-test-41";
  factory.leftovers = {left};
  start();
  EXPECT_THAT(factory.destroyed, ElementsAre("old"));
  ask("a");
  EXPECT_EQ(factory.created[0].name, "berth-test-42");
}

TEST_F(PoolTest, AfterStopNothingStarts) {
  start();
  TestWaiter& first = ask("a");
  pool->stop();
  TestWaiter& second = waiter(test::make_action("a"));
  EXPECT_EQ(pool->acquire(second).code(), StatusCode::kUnavailable);
  finish(first);
  EXPECT_EQ(factory.created.size(), 1u);
}

TEST_F(PoolTest, DestroyedWithEverythingUnderWay) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  ask("a");
  factory.hold_creates = true;
  ask("b");
  ask("c");
  ask("d");
  pool->close();
  waiters.clear();
  pool.reset();
  settle();
}

TEST_F(PoolTest, EveryContainerIsGoneIsTold) {
  start();
  std::vector<std::string> gone;
  pool->on_gone([&](const std::string& id) { gone.push_back(id); });
  const std::string id = warm("a");
  EXPECT_THAT(gone, IsEmpty());
  factory.die(id);
  settle();
  EXPECT_THAT(gone, ElementsAre(id));
}

TEST_F(PoolTest, ImagesOfUsersAreForgotten) {
  start();
  for (int i = 0; i < 50; ++i) {
    auto own = std::make_shared<entity::Action>(*test::make_action("own", 256, 1, "blackbox"));
    own->exec.image = "me/mine:" + std::to_string(i);
    TestWaiter& one = ask(own);
    ASSERT_TRUE(one.served());
    finish(one, false);
    EXPECT_EQ(pool->stats().classes, 0u);
  }
}

TEST_F(PoolTest, WhatIsGivenBackUntouchedIsAsItWas) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& first = ask("a");
  ASSERT_TRUE(first.served());
  EXPECT_TRUE(first.lease.needs_init());
  TestWaiter& other = ask("b");
  EXPECT_FALSE(other.served());
  first.lease.give_back();
  settle();
  ASSERT_TRUE(other.served()) << "no code was put into it: it may serve another action";
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_TRUE(other.lease.needs_init());
  other.lease.give_back();
  settle();
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  TestWaiter& warm = ask("b");
  warm.lease.initialised();
  warm.lease.give_back();
  settle();
  EXPECT_EQ(count(State::kReady), 1u) << "a warm one stays its action's";
  EXPECT_EQ(ask("b").lease.kind(), StartKind::kWarm);
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_TRUE(factory.destroyed.empty());
}

}  // namespace
}  // namespace berth::container
