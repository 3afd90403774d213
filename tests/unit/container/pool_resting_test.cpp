// SPDX-License-Identifier: Apache-2.0
// Idle containers: paused, resumed, removed.
#include <gmock/gmock.h>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(PoolTest, AnIdleContainerIsPausedAfterAWhileAndResumed) {
  options.pause_grace = 10s;
  start();
  const std::string id = warm("a");
  tick(9s);
  EXPECT_EQ(factory.pauses, 0u);
  tick(1s);
  EXPECT_EQ(factory.pauses, 1u);
  EXPECT_EQ(count(State::kPaused), 1u);
  EXPECT_TRUE(factory.boxes.at(id)->paused);
  TestWaiter& again = ask("a");
  ASSERT_TRUE(again.served());
  EXPECT_EQ(again.lease.kind(), StartKind::kWarm);
  EXPECT_EQ(again.lease.container_id(), id);
  EXPECT_FALSE(factory.boxes.at(id)->paused);
  EXPECT_EQ(factory.created.size(), 1u);
  finish(again);
  tick(10s);
  EXPECT_EQ(factory.pauses, 2u);
}

TEST_F(PoolTest, UseStartsTheGraceAnew) {
  options.pause_grace = 10s;
  start();
  warm("a");
  tick(9s);
  warm("a");
  tick(9s);
  EXPECT_EQ(factory.pauses, 0u);
}

TEST_F(PoolTest, NothingIsPausedWhereThatDoesNotWork) {
  factory.capacity_value.can_pause = false;
  start();
  warm("a");
  tick(options.pause_grace);
  EXPECT_EQ(factory.pauses, 0u);
  EXPECT_EQ(count(State::kReady), 1u);
}

TEST_F(PoolTest, ARefusedPauseLeavesTheContainerAsItIs) {
  factory.pause_failure = sdk::unimplemented("no cgroup");
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(ask("a").lease.container_id(), id);
  warm("b");
  tick(options.pause_grace);
  EXPECT_EQ(factory.pauses, 1u) << "not tried again";
}

TEST_F(PoolTest, AFailedPauseRemovesTheContainer) {
  factory.pause_failure = sdk::internal("stuck");
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
}

TEST_F(PoolTest, AnActivationThatComesWhilePausingGetsTheContainerAfterIt) {
  start();
  const std::string id = warm("a");
  factory.hold_pauses = true;
  tick(options.pause_grace);
  EXPECT_EQ(count(State::kPausing), 1u);
  TestWaiter& again = ask("a");
  EXPECT_FALSE(again.served());
  EXPECT_EQ(factory.created.size(), 1u) << "no cold start";
  factory.let_pause();
  settle();
  ASSERT_TRUE(again.served());
  EXPECT_EQ(again.lease.container_id(), id);
}

TEST_F(PoolTest, AnActivationThatComesWhilePausingIsServedIfThePauseIsRefused) {
  start();
  const std::string id = warm("a");
  factory.hold_pauses = true;
  factory.pause_failure = sdk::unimplemented("no cgroup");
  tick(options.pause_grace);
  TestWaiter& again = ask("a");
  factory.let_pause();
  settle();
  ASSERT_TRUE(again.served());
  EXPECT_EQ(again.lease.container_id(), id);
  finish(again);
  EXPECT_EQ(pool->stats().idle_bytes, 256 * kMb);
}

TEST_F(PoolTest, AFailedResumeRemovesTheContainerAndNotTheActivation) {
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  factory.resume_failure = sdk::internal("stuck");
  TestWaiter& again = ask("a");
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
  ASSERT_TRUE(again.served());
  EXPECT_EQ(again.lease.kind(), StartKind::kCold);
}

TEST_F(PoolTest, ADeathWhileResumingDoesNotCostTheActivation) {
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  factory.hold_resumes = true;
  TestWaiter& again = ask("a");
  EXPECT_FALSE(again.served());
  factory.die(id);
  settle();
  EXPECT_TRUE(again.served());
  factory.let_resume();
  settle();
  EXPECT_TRUE(again.served());
}

TEST_F(PoolTest, AResumeThatComesTooLateLeavesAnIdleContainer) {
  start();
  TestWaiter& one = ask("a");
  TestWaiter& two = ask("a");
  finish(one);
  tick(options.pause_grace);
  EXPECT_EQ(count(State::kPaused), 1u);
  factory.hold_resumes = true;
  TestWaiter& third = ask("a");
  finish(two);
  EXPECT_TRUE(third.served()) << "the other container came free first";
  factory.let_resume();
  settle();
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(pool->stats().idle_bytes, 256 * kMb);
}

TEST_F(PoolTest, IdleContainersAreRemovedInTheEndPausedOrNot) {
  options.idle_timeout = 60s;
  options.pause_grace = 10s;
  start();
  const std::string a = warm("a");
  tick(10s);
  EXPECT_EQ(count(State::kPaused), 1u);
  tick(49s);
  EXPECT_THAT(factory.destroyed, IsEmpty());
  tick(1s);
  EXPECT_THAT(factory.destroyed, ElementsAre(a));
  EXPECT_EQ(used_mb(), 0u);
}

TEST_F(PoolTest, PausedContainersAreEvictedToo) {
  options.memory_bytes = 256 * kMb;
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  EXPECT_TRUE(ask("b").served());
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
}

TEST_F(PoolTest, SurplusStartsGoAfterTheIdleTimeoutAndWantedOnesStay) {
  options.idle_timeout = 60s;
  options.memory_bytes = 2048 * kMb;
  start(R"([{"initialCount":1,"memory":"512 MB"}])");
  TestWaiter& first = ask("a");
  finish(first);
  // A start nobody needs any more.
  TestWaiter& second = ask("a");
  factory.hold_creates = true;
  TestWaiter& third = ask(test::make_action("b", 128, 1, "nodejs:20"));
  pool->cancel(third);
  factory.let_create();
  settle();
  finish(second);
  EXPECT_EQ(count(State::kPrewarmed), 2u) << "the surplus one and the 512 MB one";
  factory.hold_creates = false;
  tick(61s);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  tick(61s);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
}

}  // namespace
}  // namespace berth::container
