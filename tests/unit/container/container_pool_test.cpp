// SPDX-License-Identifier: Apache-2.0
// Who gets which container, and who waits.
#include "container/container_pool.hpp"

#include <gmock/gmock.h>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST_F(PoolTest, AColdStartNamesAndDescribesTheContainer) {
  options.environment = {{"__OW_API_HOST", "http://host"}};
  options.pids_limit = 77;
  start();
  pool->set_log_parameters({{"log-driver", "x"}});
  TestWaiter& first = ask("a", 512);
  ASSERT_TRUE(first.served());
  EXPECT_EQ(first.lease.kind(), StartKind::kCold);
  EXPECT_TRUE(first.lease.needs_init());
  ASSERT_EQ(factory.created.size(), 1u);
  const plugin::CreateRequest& request = factory.created[0];
  EXPECT_EQ(request.name, "berth-test-1");
  EXPECT_EQ(request.kind, "python:3");
  EXPECT_EQ(request.image, "img/python:1");
  EXPECT_FALSE(request.user_provided_image);
  EXPECT_EQ(request.memory_bytes, 512 * kMb);
  EXPECT_EQ(request.cpu_shares, 512u);
  EXPECT_EQ(request.pids_limit, 77u);
  EXPECT_EQ(request.concurrency, 1u);
  EXPECT_EQ(request.transaction_id, "t");
  EXPECT_THAT(request.environment, ElementsAre(Pair("__OW_API_HOST", "http://host")));
  EXPECT_THAT(request.log_parameters, ElementsAre(Pair("log-driver", "x")));
  EXPECT_THAT(request.labels,
              UnorderedElementsAre(Pair("instance", "test"), Pair("kind", "python:3"),
                                   Pair("action", "guest/a"), Pair("namespace", "guest")));
}

TEST(CpuShares, FollowOpenWhisksFormula) {
  EXPECT_EQ(cpu_shares(1024 * kMb, 256 * kMb), 256u);
  EXPECT_EQ(cpu_shares(2048 * kMb, 256 * kMb), 128u);
  EXPECT_EQ(cpu_shares(1000 * kMb, 256 * kMb), 341u);
  EXPECT_EQ(cpu_shares(1024 * 1024 * kMb, 128 * kMb), 2u);
  EXPECT_EQ(cpu_shares(128 * kMb, 256 * kMb), 1024u);
}

TEST_F(PoolTest, AWarmContainerIsUsedAgain) {
  start();
  const std::string id = warm("a");
  TestWaiter& second = waiter(test::make_action("a"));
  ASSERT_TRUE(pool->acquire(second).ok());
  ASSERT_TRUE(second.served()) << "at once, from inside acquire";
  EXPECT_EQ(second.lease.kind(), StartKind::kWarm);
  EXPECT_FALSE(second.lease.needs_init());
  EXPECT_EQ(second.lease.container_id(), id);
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_EQ(starts("cold"), 1);
  EXPECT_EQ(starts("warm"), 1);
}

TEST_F(PoolTest, WarmMeansSameNamespaceActionAndRevision) {
  start();
  warm("a");
  EXPECT_EQ(ask(test::make_action("a", 256, 2)).lease.kind(), StartKind::kCold) << "new revision";
  EXPECT_EQ(ask(test::make_action("a"), "other").lease.kind(), StartKind::kCold) << "namespace";
  EXPECT_EQ(ask(test::make_action("b")).lease.kind(), StartKind::kCold) << "action";
  auto packaged = std::make_shared<entity::Action>(*test::make_action("a"));
  packaged->package = "p";
  EXPECT_NE(ask(packaged).lease.kind(), StartKind::kWarm) << "package";
}

TEST_F(PoolTest, TheLastUsedContainerIsTakenFirst) {
  start();
  TestWaiter& one = ask("a");
  TestWaiter& two = ask("a");
  const std::string id_one = one.lease.container_id();
  finish(two);
  finish(one);
  EXPECT_EQ(ask("a").lease.container_id(), id_one);
}

TEST_F(PoolTest, APrewarmedContainerOfTheExactMemoryAndItsReplacement) {
  start(R"([{"initialCount":1,"memory":"256 MB"},{"initialCount":1,"memory":"512 MB"}])");
  EXPECT_EQ(count(State::kPrewarmed), 2u);
  EXPECT_EQ(factory.created.size(), 2u);
  TestWaiter& first = ask("a", 512);
  ASSERT_TRUE(first.served());
  EXPECT_EQ(first.lease.kind(), StartKind::kPrewarmed);
  EXPECT_TRUE(first.lease.needs_init());
  EXPECT_EQ(used_mb(), 768u) << "no memory for a replacement";
  TestWaiter& second = ask("b", 256);
  EXPECT_EQ(second.lease.kind(), StartKind::kPrewarmed);
  EXPECT_EQ(factory.created.size(), 3u) << "replaced at once";
  EXPECT_EQ(factory.created[2].memory_bytes, 256 * kMb);
  EXPECT_EQ(starts("prewarmed"), 2);
}

TEST_F(PoolTest, ALargerPrewarmedContainerIsPromoted) {
  options.memory_bytes = 4096 * kMb;
  start(R"([{"initialCount":1,"memory":"512 MB"},{"initialCount":1,"memory":"384 MB"}])");
  TestWaiter& first = ask("a", 256);
  ASSERT_TRUE(first.served());
  EXPECT_EQ(first.lease.kind(), StartKind::kPrewarmed);
  // The nearest size, counted with what it really has.
  EXPECT_EQ(factory.boxes.at(first.lease.container_id())->request.memory_bytes, 384 * kMb);
  EXPECT_EQ(used_mb(), 512u + 384u + 384u);
  EXPECT_EQ(ask("b", 600).lease.kind(), StartKind::kCold) << "a smaller one never serves";
}

TEST_F(PoolTest, APrewarmedContainerServesOnlyItsKind) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  EXPECT_EQ(ask(test::make_action("a", 256, 1, "nodejs:20")).lease.kind(), StartKind::kCold);
}

TEST_F(PoolTest, MemoryIsNeverExceededAndCountsTheDyingOnes) {
  options.memory_bytes = 512 * kMb;
  start();
  factory.hold_destroys = true;
  TestWaiter& one = ask("a");
  TestWaiter& two = ask("b");
  ASSERT_TRUE(one.served());
  ASSERT_TRUE(two.served());
  TestWaiter& three = ask("c");
  EXPECT_FALSE(three.served());
  EXPECT_EQ(pool->stats().queue, 1u);
  finish(one);
  EXPECT_EQ(count(State::kRemoving), 1u) << "evicted for c";
  EXPECT_FALSE(three.served()) << "its memory is not free yet";
  EXPECT_EQ(factory.created.size(), 2u);
  EXPECT_EQ(used_mb(), 512u);
  factory.let_destroy();
  settle();
  EXPECT_TRUE(three.served());
  EXPECT_EQ(three.lease.kind(), StartKind::kRecreated);
  EXPECT_LE(factory.peak_bytes, options.memory_bytes);
}

TEST_F(PoolTest, EvictsTheLeastRecentlyUsedAndPrewarmedOnesLast) {
  options.memory_bytes = 1024 * kMb;
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  const std::string prewarmed = factory.boxes.begin()->first;
  TestWaiter& a = ask(test::make_action("a", 256, 1, "nodejs:20"));
  TestWaiter& b = ask(test::make_action("b", 256, 1, "nodejs:20"));
  TestWaiter& c = ask(test::make_action("c", 256, 1, "nodejs:20"));
  const std::string id_a = a.lease.container_id();
  const std::string id_b = b.lease.container_id();
  const std::string id_c = c.lease.container_id();
  finish(b);
  finish(a);
  finish(c);
  ask(test::make_action("d", 256, 1, "nodejs:20"));
  EXPECT_THAT(factory.destroyed, ElementsAre(id_b));
  ask(test::make_action("e", 512, 1, "nodejs:20"));
  EXPECT_THAT(factory.destroyed, ElementsAre(id_b, id_a, id_c));
  ask(test::make_action("f", 256, 1, "nodejs:20"));
  EXPECT_THAT(factory.destroyed, ElementsAre(id_b, id_a, id_c, prewarmed));
}

TEST_F(PoolTest, NothingIsEvictedIfThatWouldNotHelp) {
  options.memory_bytes = 768 * kMb;
  start();
  warm("a");
  ask("b", 512);
  TestWaiter& big = ask("c", 512);
  EXPECT_FALSE(big.served());
  EXPECT_TRUE(factory.destroyed.empty());
  EXPECT_EQ(ask("a").lease.kind(), StartKind::kWarm);
}

TEST_F(PoolTest, WaitersOfAnActionAreServedInTheirOrder) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& first = ask("a");
  for (const char* name : {"1", "2", "3"}) ask("a").name = name;
  finish(first);
  for (int i = 1; i <= 3; ++i) finish(*waiters[static_cast<std::size_t>(i)]);
  EXPECT_THAT(order, ElementsAre("a", "1", "2", "3"));
  EXPECT_EQ(factory.created.size(), 1u);
}

TEST_F(PoolTest, ActionsTakeTurns) {
  options.memory_bytes = 256 * kMb;
  options.residency = 0ms;
  options.overtake_limit = 0ms;
  start();
  TestWaiter& first = ask("a");
  ask("a");
  ask("a");
  ask("b");
  ask("c");
  finish(first);
  for (std::size_t i = 1; i < 5; ++i) {
    for (auto& waiting : waiters) {
      if (waiting->served()) {
        finish(*waiting);
        break;
      }
    }
  }
  EXPECT_EQ(order.size(), 5u);
  // b and c do not wait for the last of a.
  EXPECT_EQ(order[0], "a");
  EXPECT_THAT(std::vector<std::string>(order.begin() + 1, order.begin() + 4),
              UnorderedElementsAre("a", "b", "c"));
}

TEST_F(PoolTest, AnActionInUseKeepsItsContainerWhileOthersHaveNotWaitedLong) {
  options.memory_bytes = 256 * kMb;
  options.overtake_limit = 10s;
  options.residency = 10s;
  start();
  TestWaiter& first = ask("a");
  TestWaiter& other = ask("b");
  TestWaiter& second = ask("a");
  finish(first);
  EXPECT_TRUE(second.served()) << "warm, no start";
  EXPECT_FALSE(other.served());
  // b has waited long enough, and a has had its time: now it gives way.
  TestWaiter& third = ask("a");
  tick(11s);
  finish(second);
  EXPECT_TRUE(other.served());
  EXPECT_FALSE(third.served());
  finish(other);
  tick(11s);
  EXPECT_TRUE(third.served());
}

TEST_F(PoolTest, ABigActionDoesNotBlockSmallOnes) {
  options.memory_bytes = 1024 * kMb;
  options.overtake_limit = 10s;
  start();
  TestWaiter& busy = ask("busy", 640);
  TestWaiter& big = ask("big", 768);
  EXPECT_FALSE(big.served());
  TestWaiter& small = ask("small", 128);
  EXPECT_TRUE(small.served()) << "it fits beside";
  finish(busy);
  EXPECT_TRUE(big.served());
}

TEST_F(PoolTest, ABigActionIsNotStarvedBySmallOnes) {
  options.memory_bytes = 512 * kMb;
  options.overtake_limit = 1s;
  options.residency = 0ms;
  start();
  std::vector<TestWaiter*> running;
  for (int i = 0; i < 4; ++i) running.push_back(&ask("s" + std::to_string(i), 128));
  TestWaiter& big = ask("big", 512);
  tick(2s);
  // Small ones come without end; each finished one is followed by another.
  int rounds = 0;
  while (!big.served() && rounds < 8) {
    TestWaiter* done = running.front();
    running.erase(running.begin());
    TestWaiter& next = ask("n" + std::to_string(rounds), 128);
    finish(*done);
    if (next.served()) running.push_back(&next);
    ++rounds;
    if (running.empty()) break;
  }
  EXPECT_TRUE(big.served());
  EXPECT_LE(rounds, 4);
}

TEST_F(PoolTest, AWaiterTakesWhateverComesFirst) {
  start();
  TestWaiter& first = ask("a");
  factory.hold_creates = true;
  TestWaiter& second = ask("a");
  EXPECT_EQ(factory.created.size(), 2u);
  finish(first);
  ASSERT_TRUE(second.served()) << "the container that came free";
  EXPECT_EQ(second.lease.kind(), StartKind::kWarm);
  // The start that was made for it serves the next one, also of another action.
  factory.hold_creates = false;
  factory.let_create();
  settle();
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  TestWaiter& third = ask("b");
  EXPECT_TRUE(third.served());
  EXPECT_EQ(third.lease.kind(), StartKind::kPrewarmed);
  EXPECT_EQ(factory.created.size(), 2u);
}

TEST_F(PoolTest, ASurplusStartGoesToAWaiterOfTheSameSize) {
  options.memory_bytes = 512 * kMb;
  start();
  TestWaiter& first = ask("a");
  factory.hold_creates = true;
  TestWaiter& second = ask("a");
  TestWaiter& other = ask("b");
  EXPECT_EQ(factory.created.size(), 2u) << "no memory for a third";
  finish(first);
  EXPECT_TRUE(second.served());
  factory.hold_creates = false;
  factory.let_create();
  settle();
  EXPECT_TRUE(other.served());
  EXPECT_EQ(factory.created.size(), 2u);
  EXPECT_TRUE(factory.destroyed.empty());
}

TEST_F(PoolTest, AStartThatWaitsForMemoryIsNotMadeIfNobodyNeedsItAnyMore) {
  options.memory_bytes = 512 * kMb;
  start();
  warm("idle");
  TestWaiter& first = ask("a");
  factory.hold_destroys = true;
  TestWaiter& second = ask("a");
  EXPECT_EQ(count(State::kRemoving), 1u);
  finish(first);
  EXPECT_TRUE(second.served());
  factory.let_destroy();
  settle();
  EXPECT_EQ(factory.created.size(), 2u);
  EXPECT_EQ(used_mb(), 256u);
}

TEST_F(PoolTest, APrewarmedContainerThatBecomesReadyServesWhoWaits) {
  options.memory_bytes = 512 * kMb;
  factory.hold_creates = true;
  start(R"([{"initialCount":2,"memory":"256 MB"}])");
  TestWaiter& first = ask("a");
  EXPECT_FALSE(first.served());
  EXPECT_EQ(factory.created.size(), 2u);
  factory.let_create();
  settle();
  EXPECT_TRUE(first.served());
  EXPECT_EQ(first.lease.kind(), StartKind::kPrewarmed);
}

TEST_F(PoolTest, TheQueueIsBounded) {
  options.memory_bytes = 256 * kMb;
  options.max_queue = 2;
  start();
  TestWaiter& first = ask("a");
  ask("a");
  ask("b");
  TestWaiter& late = waiter(test::make_action("c"));
  EXPECT_EQ(pool->acquire(late).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(pool->stats().queue, 2u);
  finish(first);
  EXPECT_TRUE(pool->acquire(late).ok());
}

TEST_F(PoolTest, AnActionThatCanNeverFitIsRefused) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& big = waiter(test::make_action("a", 512));
  const Status status = pool->acquire(big);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("512 MB"), std::string::npos);
  EXPECT_FALSE(pool->fits_ever(512 * kMb));
  TestWaiter& odd = waiter(test::make_action("a", 256, 1, "cobol:68"));
  EXPECT_EQ(pool->acquire(odd).code(), StatusCode::kNotFound);
}

TEST_F(PoolTest, ACancelledWaiterGetsNothing) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("a");
  pool->cancel(second);
  pool->cancel(second);
  EXPECT_EQ(pool->stats().queue, 0u);
  finish(first);
  EXPECT_FALSE(second.served());
}

TEST_F(PoolTest, OneThatComesAgainStandsWhereItStood) {
  options.memory_bytes = 256 * kMb;
  start();
  TestWaiter& first = ask("a");
  TestWaiter& second = ask("a");
  ask("a").name = "third";
  finish(first);
  ASSERT_TRUE(second.served());
  second.name = "second";
  order.clear();
  // Its container turns out to be gone: it waits again, before the third.
  second.lease.release(false);
  ASSERT_TRUE(pool->acquire_again(second).ok());
  settle();
  finish(second);
  EXPECT_THAT(order, ElementsAre("second", "third"));
}

TEST_F(PoolTest, SeveralActivationsAtOnceInOneContainer) {
  start();
  const entity::ActionPtr action = test::make_action("a", 256, 1, "python:3", 2);
  TestWaiter& first = ask(action);
  TestWaiter& second = ask(action);
  EXPECT_TRUE(second.served()) << "a second container: the first is not initialised";
  EXPECT_NE(first.lease.container_id(), second.lease.container_id());
  EXPECT_EQ(factory.created[0].concurrency, 2u);
  EXPECT_THAT(factory.created[0].environment, ElementsAre(Pair("__OW_ALLOW_CONCURRENT", "true")));
  first.lease.initialised();
  TestWaiter& third = ask(action);
  ASSERT_TRUE(third.served());
  EXPECT_EQ(third.lease.kind(), StartKind::kWarm);
  EXPECT_EQ(third.lease.container_id(), first.lease.container_id());
  const std::string shared = first.lease.container_id();
  // One fails: the other one ends before the container goes.
  first.lease.release(false);
  settle();
  EXPECT_TRUE(factory.destroyed.empty());
  finish(third);
  EXPECT_THAT(factory.destroyed, ElementsAre(shared));
}

TEST_F(PoolTest, BlackboxImagesAreTheAuthorsUnlessKnown) {
  start();
  auto own = std::make_shared<entity::Action>(*test::make_action("own", 256, 1, "blackbox"));
  own->exec.image = "me/mine:2";
  TestWaiter& first = ask(own);
  EXPECT_TRUE(factory.created[0].user_provided_image);
  EXPECT_EQ(factory.created[0].image, "me/mine:2");
  EXPECT_FALSE(first.lease.sentinelled());
  auto known = std::make_shared<entity::Action>(*test::make_action("known", 256, 1, "blackbox"));
  known->exec.image = "known/skeleton:1";
  TestWaiter& second = ask(known);
  EXPECT_FALSE(factory.created[1].user_provided_image);
  EXPECT_TRUE(second.lease.sentinelled());
  EXPECT_FALSE(ask(test::make_action("q", 256, 1, "quiet:1")).lease.sentinelled());
}

TEST_F(PoolTest, GaugesTellTheStates) {
  start();
  warm("a");
  ask("b");
  tick();
  const std::string text = metrics.text();
  EXPECT_NE(text.find("berth_pool_containers{state=\"ready\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("berth_pool_containers{state=\"initialising\"} 1"), std::string::npos);
  EXPECT_NE(text.find("berth_pool_queue 0"), std::string::npos);
}

}  // namespace
}  // namespace berth::container
