// SPDX-License-Identifier: Apache-2.0
// A prewarmed container that is too small is given more memory, where the factory can do that.
#include <gmock/gmock.h>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

constexpr const char* kOne = R"([{"initialCount":1,"memory":"256 MB"}])";

class Resize : public PoolTest {
 protected:
  Resize() { factory.resizable = true; }

  std::uint64_t limit_mb(const std::string& id) const {
    return factory.boxes.at(id)->request.memory_bytes / kMb;
  }
};

TEST_F(Resize, ASmallerPrewarmedOneIsGivenTheMemory) {
  start(kOne);
  ASSERT_EQ(factory.created.size(), 1u);
  const std::uint32_t shares = factory.created[0].cpu_shares;
  TestWaiter& one = ask("a", 512);
  ASSERT_TRUE(one.served());
  EXPECT_EQ(one.lease.container_id(), "id-1");
  EXPECT_EQ(one.lease.kind(), StartKind::kPrewarmed);
  EXPECT_EQ(limit_mb("id-1"), 512u);
  EXPECT_EQ(factory.boxes.at("id-1")->request.cpu_shares, 2 * shares);
  EXPECT_EQ(factory.created.size(), 2u) << "and the stock is made full again";
  EXPECT_EQ(used_mb(), 512u + 256u);
  finish(one);
  EXPECT_EQ(ask("a", 512).lease.kind(), StartKind::kWarm);
  EXPECT_EQ(factory.resizes, 1u);
}

TEST_F(Resize, TheSameSizeAndALargerOneComeFirst) {
  start(R"([{"initialCount":1,"memory":"128 MB"},{"initialCount":1,"memory":"512 MB"}])");
  EXPECT_TRUE(ask("a", 256).served());
  EXPECT_EQ(factory.resizes, 0u);
  EXPECT_EQ(starts("prewarmed"), 1);
}

TEST_F(Resize, TheNearestSmallerOneIsTaken) {
  start(R"([{"initialCount":1,"memory":"128 MB"},{"initialCount":1,"memory":"256 MB"}])");
  TestWaiter& one = ask("a", 384);
  ASSERT_TRUE(one.served());
  EXPECT_EQ(factory.created[0].memory_bytes, 128 * kMb);
  EXPECT_EQ(one.lease.container_id(), "id-2");
}

TEST_F(Resize, NotWhereTheFactoryCannot) {
  factory.resizable = false;
  start(kOne);
  EXPECT_EQ(ask("a", 512).lease.kind(), StartKind::kCold);
  EXPECT_EQ(factory.resizes, 0u);
}

TEST_F(Resize, NothingIsRemovedForIt) {
  options.memory_bytes = 640 * kMb;
  start(kOne);
  TestWaiter& running = ask("b", 256);  // takes the stock, which is made full again
  ASSERT_TRUE(running.served());
  TestWaiter& large = ask("a", 512);  // there are 128 MB, and 256 MB more would be needed
  EXPECT_FALSE(large.served());
  EXPECT_EQ(factory.resizes, 0u);
  finish(running);
  tick(1s);
  EXPECT_TRUE(large.served());
  EXPECT_LE(factory.peak_bytes, options.memory_bytes);
}

TEST_F(Resize, WhoWaitsIsNotTiedToIt) {
  start(kOne);
  warm("a", 512);
  TestWaiter& first = ask("a", 512);
  factory.hold_resizes = true;
  TestWaiter& second = ask("a", 512);
  EXPECT_FALSE(second.served());
  EXPECT_EQ(count(State::kResizing), 1u);
  finish(first);
  EXPECT_TRUE(second.served()) << "by the one that came free";
  EXPECT_EQ(second.lease.kind(), StartKind::kWarm);
  factory.let_resize();
  settle();
  EXPECT_EQ(count(State::kResizing), 0u);
  TestWaiter& other = ask("c", 512);
  EXPECT_TRUE(other.served());
  EXPECT_EQ(other.lease.kind(), StartKind::kPrewarmed);
  EXPECT_EQ(factory.resizes, 2u) << "one for the first of a, one for the second";
}

TEST_F(Resize, AFailureCostsTheContainerAndNotTheActivation) {
  factory.resize_failure = sdk::internal("the engine has a bad day");
  start(kOne);
  TestWaiter& one = ask("a", 512);
  ASSERT_TRUE(one.served());
  EXPECT_EQ(one.lease.kind(), StartKind::kCold);
  EXPECT_THAT(factory.destroyed, testing::Contains("id-1"));
  ASSERT_EQ(factory.resizes, 1u);
  ASSERT_GT(pool->stats().stock_bytes, 0u);
  finish(ask("b", 512), false);
  EXPECT_EQ(factory.resizes, 1u) << "it is left alone for a while";
  tick(31s);
  ask("c", 512);
  EXPECT_EQ(factory.resizes, 2u) << "and then asked again";
  EXPECT_LE(factory.peak_bytes, options.memory_bytes);
}

TEST_F(Resize, WhatCannotBeDoneIsNotAskedAgain) {
  factory.resize_failure = sdk::unimplemented("no cgroup");
  start(kOne);
  EXPECT_EQ(ask("a", 512).lease.kind(), StartKind::kCold);
  ASSERT_EQ(factory.resizes, 1u);
  // Later, with all that a resize would take: the failure above has rested, there are a smaller
  // prewarmed one and the memory.
  finish(*waiters.front(), false);
  tick(31s);
  ASSERT_EQ(pool->stats().stock_bytes, 256 * kMb);
  ASSERT_EQ(used_mb(), 256u);
  EXPECT_EQ(ask("b", 512).lease.kind(), StartKind::kCold);
  EXPECT_EQ(factory.resizes, 1u);
}

TEST_F(Resize, ADeathOnTheWayIsSurvived) {
  start(kOne);
  factory.hold_resizes = true;
  TestWaiter& one = ask("a", 512);
  EXPECT_EQ(count(State::kResizing), 1u);
  factory.hold_resizes = false;
  factory.die("id-1");
  settle();
  EXPECT_TRUE(one.served()) << "by another one";
  factory.let_resize();
  settle();
  EXPECT_EQ(count(State::kResizing), 0u);
  finish(one, false);
  EXPECT_EQ(used_mb(), pool->stats().stock_bytes / kMb);
}

// Whose container it was to be is forgotten with it.
TEST_F(Resize, ADeathOnTheWayToNobodyLeavesNothingBehind) {
  start(kOne);
  const std::size_t classes = pool->stats().classes;
  factory.hold_resizes = true;
  TestWaiter& one = ask("a", 512);
  ASSERT_EQ(count(State::kResizing), 1u);
  pool->cancel(one);
  EXPECT_EQ(pool->stats().tenants, 1u) << "something is made for it still";
  factory.die("id-1");
  settle();
  factory.let_resize();
  settle();
  EXPECT_EQ(count(State::kRemoving), 0u);
  EXPECT_EQ(pool->stats().tenants, 0u);
  EXPECT_EQ(pool->stats().classes, classes);
}

TEST_F(Resize, OneRetiredOnTheWayToNobodyLeavesNothingBehind) {
  start(kOne);
  const std::size_t classes = pool->stats().classes;
  factory.hold_resizes = true;
  TestWaiter& one = ask("a", 512);
  ASSERT_EQ(count(State::kResizing), 1u);
  pool->cancel(one);
  pool->retire("id-1");
  settle();
  factory.let_resize();
  settle();
  EXPECT_THAT(factory.destroyed, testing::Contains("id-1"));
  EXPECT_EQ(pool->stats().tenants, 0u);
  EXPECT_EQ(pool->stats().classes, classes);
}

}  // namespace
}  // namespace berth::container
