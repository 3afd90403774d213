// SPDX-License-Identifier: Apache-2.0
// Which output is whose.
#include "unit/activation/log_collector_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(Collector, LinesBetweenSentinelsAreTheActivations) {
  start();
  begin("one");
  out("hello");
  err("oops");
  out("bye");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out hello", "err oops", "out bye"));
  const auto& kept = store.kept.at("one");
  EXPECT_EQ(kept.ref.start_ms, 100);
  EXPECT_EQ(kept.ref.end_ms, 200);
  EXPECT_EQ(kept.ref.container_id, box);
  EXPECT_EQ(kept.finals, 1);
  EXPECT_EQ(kept.lines[0].sequence, 0u);
  EXPECT_EQ(kept.lines[2].sequence, 2u);
  EXPECT_GT(kept.lines[0].time_ns, 0);
  EXPECT_THAT(released, ElementsAre("one"));
  EXPECT_THAT(unreadable, IsEmpty());
}

TEST_F(Collector, AnActivationIsPendingUntilItsLogsAreAppended) {
  start();
  EXPECT_FALSE(collector->pending("one"));
  begin("one");
  begin("two");
  EXPECT_TRUE(collector->pending("one"));
  out("hello");
  sentinels();
  end("one");
  EXPECT_TRUE(collector->pending("one"));
  ASSERT_TRUE(test::run_until(io, [&] { return !collector->pending("one"); }));
  EXPECT_TRUE(store.has("one"));
  EXPECT_TRUE(collector->pending("two"));
  collector->cancel(tickets.at("two"));
  EXPECT_FALSE(collector->pending("two"));
}

TEST_F(Collector, WhatWasWrittenForAnEarlierBerthdIsPassedOver) {
  start();
  for (int i = 0; i < 3; ++i) {
    out("old");
    err("old");
    sentinels();
  }
  bool over = false;
  boost::asio::co_spawn(io, collector->pass_over({box}), [&](std::exception_ptr) { over = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return over; }));
  begin("one");
  out("new");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out new"));
  EXPECT_THAT(unreadable, IsEmpty());
}

TEST_F(Collector, NoOutputIsToldOnce) {
  start();
  begin("one");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), IsEmpty());
  EXPECT_EQ(store.kept.at("one").parts, 1u);
}

TEST_F(Collector, OutputGluedToTheSentinelIsKept) {
  start();
  begin("one");
  out("no newlineXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
  err("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out no newline"));
}

TEST_F(Collector, TheNextActivationRunsWhileTheLastOnesOutputIsFramed) {
  start();
  begin("one");
  out("1");
  sentinels();
  end("one");
  begin("two");
  out("2");
  // One stream is further than the other.
  out("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
  end("two");
  begin("three");
  out("3");
  err("2 late");
  err("XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
  err("3 too");
  sentinels();
  end("three");
  ASSERT_TRUE(wait("three"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out 1"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out 2", "err 2 late"));
  EXPECT_THAT(store.lines("three"), ElementsAre("out 3", "err 3 too"));
}

TEST_F(Collector, ASentinelBeforeTheReplyEndsTheActivationOnlyWithIt) {
  start();
  begin("one");
  out("x");
  sentinels();
  run_for(60ms);
  EXPECT_FALSE(store.has("one"));
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
}

TEST_F(Collector, LateSentinelsAreWaitedFor) {
  start();
  begin("one");
  out("x");
  end("one");
  run_for(100ms);
  EXPECT_FALSE(store.has("one"));
  EXPECT_THAT(released, IsEmpty());
  out("y");
  sentinels();
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x", "out y"));
}

TEST_F(Collector, WhatComesBetweenActivationsBelongsToTheNext) {
  start();
  begin("one");
  sentinels();
  out("background");
  end("one");
  ASSERT_TRUE(wait("one"));
  begin("two");
  out("own");
  sentinels();
  end("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("one"), IsEmpty());
  EXPECT_THAT(store.lines("two"), ElementsAre("out background", "out own"));
}

TEST_F(Collector, AForgedSentinelDoesNotShiftThoseThatFollow) {
  start();
  begin("one");
  sentinels();  // printed by the function
  out("after");
  sentinels();  // by the runtime
  end("one");
  ASSERT_TRUE(wait("one"));
  begin("two");
  out("own");
  sentinels();
  end("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out after", "out own"));
}

TEST_F(Collector, ImagesWithoutSentinelsGiveWhatComesUntilItIsQuiet) {
  start();
  begin("one", 1 << 20, false);
  out("x");
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
  begin("two", 1 << 20, false);
  out("y");
  end("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out y"));
  EXPECT_THAT(unreadable, IsEmpty());
}

TEST_F(Collector, WithoutSentinelsTheTimeTellsWhoseLineItIs) {
  options.quiet = 1h;
  options.quiet_max = 1h;
  start();
  begin("one", 1 << 20, false);
  out("1");
  err("1");
  end("one");
  run_for(20ms);
  begin("two", 1 << 20, false);
  out("2");
  err("2");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out 1", "err 1"));
  end("two", LogEnd::kInterrupted);
  factory.die(box);
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out 2", "err 2"));
}

TEST_F(Collector, SentinelsThatNobodyPromisedAreUsedAllTheSame) {
  options.quiet = 1h;
  options.quiet_max = 1h;
  start();
  begin("one", 1 << 20, false);
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
}

}  // namespace
}  // namespace berth::activation
