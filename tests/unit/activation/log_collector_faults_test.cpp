// SPDX-License-Identifier: Apache-2.0
// What of output that is late, lost, or of a container that is gone.
#include "unit/activation/log_collector_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(Collector, OneWhoseOutputCannotBePassedOverIsTold) {
  start();
  const std::string other = create();
  factory.read_failures = {sdk::not_found("no such container")};
  bool over = false;
  boost::asio::co_spawn(io, collector->pass_over({box, other}),
                        [&](std::exception_ptr) { over = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return over; }));
  EXPECT_EQ(unreadable.size(), 1u);
}

TEST_F(Collector, ADeveloperErrorWaitsForNoSentinelAndSaysSo) {
  start();
  begin("one");
  out("bye");
  end("one", LogEnd::kDeveloperError);
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out bye", kDeveloper));
  EXPECT_THAT(unreadable, IsEmpty());
}

TEST_F(Collector, ADeveloperErrorWithSentinelsIsDoneAtOnce) {
  options.quiet = 1h;
  options.quiet_max = 1h;
  start();
  begin("one");
  err("Error: boom");
  sentinels();
  end("one", LogEnd::kDeveloperError);
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("err Error: boom", kDeveloper));
}

TEST_F(Collector, AHungFunctionThatPrintsForEverIsNotReadForEver) {
  options.quiet_max = 60ms;
  start();
  begin("one");
  end("one", LogEnd::kDeveloperError);
  ASSERT_TRUE(test::run_until(io, [&] {
    out("spam");
    return store.has("one");
  }));
  EXPECT_EQ(store.lines("one").back(), kDeveloper);
}

TEST_F(Collector, AContainerThatEndedHasNoMoreToSay) {
  start();
  begin("one");
  out("bye", true);
  factory.die(box);
  end("one", LogEnd::kDeveloperError);
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out bye", kDeveloper)) << "an unfinished line, too";
}

TEST_F(Collector, AGoodActivationWithoutSentinelsLosesItsContainer) {
  options.sentinel_wait = 60ms;
  start();
  begin("one");
  out("x");
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x", kLost));
  EXPECT_THAT(unreadable, ElementsAre(box));
}

TEST_F(Collector, AContainerThatEndedAfterAGoodActivation) {
  start();
  begin("one");
  out("x");
  end("one");
  factory.die(box);
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x", kLost));
}

TEST_F(Collector, AFailedReadIsTriedAgain) {
  start();
  factory.read_failures = {sdk::unavailable("x"), sdk::unavailable("x")};
  begin("one");
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
}

TEST_F(Collector, ALostPlaceIsToldAndReadFromTheOldest) {
  start();
  factory.read_failures = {sdk::out_of_range("overwritten")};
  begin("one");
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x", kLost));
}

TEST_F(Collector, OutputThatCannotBeReadAtAll) {
  start();
  for (int i = 0; i < 20; ++i) factory.read_failures.push_back(sdk::unavailable("x"));
  begin("one");
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre(kLost));
  EXPECT_THAT(unreadable, ElementsAre(box));
  EXPECT_THAT(released, ElementsAre("one"));
}

TEST_F(Collector, ACancelledActivationLeavesNoTrace) {
  start();
  begin("one");
  begin("two");
  collector->cancel(tickets.at("one"));
  collector->cancel(tickets.at("one"));
  EXPECT_THAT(released, ElementsAre("one"));
  out("2");
  sentinels();
  end("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out 2"));
  EXPECT_EQ(store.kept.count("one"), 0u);
}

TEST_F(Collector, AForgottenContainerEndsItsActivations) {
  start();
  begin("one");
  begin("two");
  end("one");
  collector->forget(box);
  collector->forget("unknown");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre(kLost));
  end("two");
  ASSERT_TRUE(wait("two"));
}

TEST_F(Collector, AReadThatIsLateIsNoReasonToGiveUpAContainer) {
  start();
  for (int i = 0; i < 20; ++i) factory.read_failures.push_back(sdk::deadline_exceeded("late"));
  begin("one");
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
  EXPECT_THAT(unreadable, IsEmpty());
}

// Those who wait for the container's memory are not made to wait for sentinels that are
// overwritten.
TEST_F(Collector, WhereALossMayBeOfSeveralActivationsNoneWaitsForASentinel) {
  options.sentinel_wait = 1h;
  start();
  begin("zero");
  sentinels();
  end("zero");
  ASSERT_TRUE(wait("zero"));
  factory.read_failures = {sdk::out_of_range("overwritten")};
  begin("one");
  end("one");
  begin("two");
  out("whose?");
  sentinels();
  end("two");
  begin("three");
  ASSERT_TRUE(wait("one"));
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("one"), ElementsAre(kLost));
  EXPECT_THAT(store.lines("two"), ElementsAre(kLost));
  EXPECT_THAT(released, ElementsAre("zero", "one", "two"));
  EXPECT_THAT(unreadable, ElementsAre(box));
  end("three");
  ASSERT_TRUE(wait("three"));
  EXPECT_THAT(store.lines("three"), ElementsAre(kLost));
}

}  // namespace
}  // namespace berth::activation
