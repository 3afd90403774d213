// SPDX-License-Identifier: Apache-2.0
#include "activation/log_collector.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <gmock/gmock.h>

#include "unit/activation/fake_stores.hpp"
#include "unit/container/fakes.hpp"

namespace berth::activation {
namespace {

using plugin::Stream;
using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

constexpr const char* kLost =
    "err There was an issue while collecting your logs. Data might be missing.";
constexpr const char* kDeveloper =
    "err The action did not initialize or run as expected. Log data might be missing.";

class Collector : public testing::Test {
 protected:
  Collector() {
    options.delay = 1ms;
    options.sweep = 10ms;
    options.poll = 20ms;
    options.quiet = 30ms;
  }
  ~Collector() override {
    tickets.clear();
    collector.reset();
  }

  void start() {
    collector = std::make_unique<LogCollector>(
        LogCollectorDependencies{io, clock, metrics, factory, store}, options);
    collector->on_unreadable([this](const std::string& id) { unreadable.push_back(id); });
    box = create();
  }
  std::string create() {
    std::string id;
    boost::asio::co_spawn(
        io, factory.create({}, {}),
        [&](std::exception_ptr, Result<plugin::ContainerInfo> info) { id = info->id; });
    test::settle(io);
    return id;
  }
  void begin(const std::string& activation, std::uint64_t limit = 1 << 20,
             bool sentinelled = true) {
    plugin::ActivationRef ref;
    ref.activation_id = activation;
    ref.container_id = box;
    const auto hold = std::shared_ptr<void>(
        nullptr, [to = released_, activation](void*) { to->push_back(activation); });
    tickets[activation] = collector->begin(std::move(ref), limit, sentinelled, hold);
  }
  void end(const std::string& activation, LogEnd how = LogEnd::kNormal) {
    collector->end(tickets.at(activation), 100, 200, how);
  }
  void out(const std::string& text, bool partial = false) {
    factory.print(box, Stream::kStdout, text, partial);
  }
  void err(const std::string& text) { factory.print(box, Stream::kStderr, text); }
  void sentinels() { factory.print_sentinels(box); }
  bool wait(const std::string& activation) {
    return test::run_until(io, [&] { return store.has(activation); });
  }
  void run_for(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    test::run_until(io, [&] { return std::chrono::steady_clock::now() >= until; });
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  test::ShiftedClock clock;
  Metrics metrics;
  test::FakeFactory factory{io};
  test::FakeLogStore store{io};
  LogCollectorOptions options;
  std::unique_ptr<LogCollector> collector;
  std::map<std::string, LogCollector::Ticket> tickets;
  // Some holds end with the io_context, after everything else.
  std::shared_ptr<std::vector<std::string>> released_ =
      std::make_shared<std::vector<std::string>>();
  std::vector<std::string>& released = *released_;
  std::vector<std::string> unreadable;
  std::string box;
};

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

TEST_F(Collector, OverTheLimitLogsAreCutWithOpenWhisksWords) {
  start();
  begin("one", 20);
  out("123456789");  // 10 bytes with its end
  out("12345678");   // 19
  out("x");          // 21: too many
  out("");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(
      store.lines("one"),
      ElementsAre("out 123456789", "out 12345678",
                  "err Logs were truncated because the total bytes size exceeds the limit of "
                  "20 bytes."));
  EXPECT_THAT(unreadable, IsEmpty()) << "that does not cost the container";
  begin("two", 20);
  out("fine");
  sentinels();
  end("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(store.lines("two"), ElementsAre("out fine"));
}

TEST_F(Collector, ExactlyTheLimitIsKept) {
  start();
  begin("one", 10);
  out("123456789");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out 123456789"));
}

TEST_F(Collector, WithALimitOfZeroNothingIsReadAndTheStoreHearsNothing) {
  start();
  begin("one", 0);
  EXPECT_EQ(tickets.at("one"), nullptr);
  EXPECT_FALSE(collector->pending("one"));
  out("x");
  sentinels();
  EXPECT_THAT(released, ElementsAre("one"));
  end("one");
  EXPECT_FALSE(collector->pending("one"));
  EXPECT_FALSE(store.has("one"));
  EXPECT_EQ(factory.reads, 0u);
}

TEST_F(Collector, AStoreThatReadsItselfIsLeftAlone) {
  store.external = true;
  start();
  begin("one");
  EXPECT_EQ(tickets.at("one"), nullptr);
  end("one");
  collector->cancel(nullptr);
  run_for(30ms);
  EXPECT_EQ(store.appends, 0u);
  EXPECT_EQ(factory.reads, 0u);
  EXPECT_EQ(collector->pending(), 0u);
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

TEST_F(Collector, LongRunsAreReadWhileTheyRun) {
  options.max_batch_bytes = 1000;
  start();
  begin("one");
  for (int i = 0; i < 40; ++i) out(std::string(100, 'x'));
  ASSERT_TRUE(test::run_until(io, [&] { return store.kept.count("one") != 0; }));
  EXPECT_EQ(store.kept.at("one").finals, 0);
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(store.lines("one").size(), 40u);
  EXPECT_GT(store.kept.at("one").parts, 1u);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(store.kept.at("one").lines[i].sequence, i);
}

TEST_F(Collector, WhatALongRunPrintsReachesTheStoreAtOnce) {
  start();
  begin("one");
  for (const char* text : {"first", "second", "third"}) {
    run_for(30ms);
    out(text);
    const std::string wanted = std::string("out ") + text;
    ASSERT_TRUE(test::run_until(io, [&] { return store.lines("one").back() == wanted; })) << text;
  }
  EXPECT_EQ(store.kept.at("one").finals, 0);
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out first", "out second", "out third"));
}

TEST_F(Collector, ALineOfAMegabyteIsNotCut) {
  start();
  begin("one", 4 << 20);
  const std::string half(512 * 1024, 'x');
  out(half, true);
  out(half);
  out("after");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(store.lines("one"), ElementsAre("out " + half + half, "out after"));
}

// It prints faster than anybody reads; all of it gets to the store, in parts.
TEST_F(Collector, AHundredMegabytesOfOneActivation) {
  start();
  begin("one", 200 << 20);
  const std::string text(10'000, 'x');
  constexpr std::size_t kLines = 10'000;
  for (std::size_t i = 0; i < kLines; ++i) {
    out(text);
    if (i % 200 == 0) run_for(1ms);
  }
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  const auto& kept = store.kept.at("one");
  ASSERT_EQ(kept.lines.size(), kLines);
  for (std::size_t i = 0; i < kLines; ++i) ASSERT_EQ(kept.lines[i].sequence, i);
  EXPECT_GT(kept.parts, 100u);
}

TEST_F(Collector, AnAppendIsTriedAgainWhereTheStoreSaysSo) {
  start();
  store.failures = {sdk::resource_exhausted("later"), sdk::resource_exhausted("later")};
  begin("one");
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(store.appends, 3u);
  EXPECT_THAT(store.lines("one"), ElementsAre("out x"));
}

TEST_F(Collector, AStoreThatRefusesIsCountedAndForgotten) {
  start();
  store.failures = {sdk::internal("broken")};
  begin("one");
  out("x");
  sentinels();
  end("one");
  ASSERT_TRUE(test::run_until(io, [&] { return store.appends == 1 && collector->pending() == 0; }));
  EXPECT_FALSE(store.has("one"));
  EXPECT_EQ(
      metrics.counter("berth_logs_failed_appends_total", "Log batches the store refused").value(),
      1);
}

TEST_F(Collector, LinesAreDroppedRatherThanKeptWithoutBound) {
  options.max_pending_bytes = 10'000;
  options.max_batch_bytes = 1'000;
  store.hold = true;
  start();
  begin("one");
  for (int i = 0; i < 100; ++i) out(std::string(1000, 'x'));
  sentinels();
  end("one");
  run_for(50ms);
  store.hold = false;
  ASSERT_TRUE(wait("one"));
  const auto lines = store.lines("one");
  EXPECT_LT(lines.size(), 20u);
  EXPECT_GT(metrics
                .counter("berth_logs_dropped_lines_total",
                         "Log lines dropped because too many waited for the store")
                .value(),
            80);
}

TEST_F(Collector, ALossIsToldInTheLogs) {
  options.max_pending_bytes = 2'000;
  start();
  begin("one");
  for (int i = 0; i < 10; ++i) out(std::string(500, 'x'));
  ASSERT_TRUE(test::run_until(io, [&] {
    return metrics
               .counter("berth_logs_dropped_lines_total",
                        "Log lines dropped because too many waited for the store")
               .value() > 0;
  }));
  sentinels();
  end("one");
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(store.lines("one").back(), kLost);
}

TEST_F(Collector, AppendsAtOnceAreBounded) {
  options.max_appends = 2;
  options.max_parcels = 3;
  store.hold = true;
  start();
  for (int i = 0; i < 7; ++i) {
    const std::string id = "a" + std::to_string(i);
    begin(id);
    sentinels();
    end(id);
  }
  run_for(50ms);
  EXPECT_EQ(store.most_at_once, 2u);
  store.hold = false;
  ASSERT_TRUE(test::run_until(io, [&] { return collector->pending() == 0; }));
  EXPECT_EQ(store.kept.size(), 5u) << "two under way, three waiting, two without logs";
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

TEST_F(Collector, FlushWaitsForEverythingThatEnded) {
  start();
  store.hold = true;
  begin("one");
  out("x");
  sentinels();
  end("one");
  begin("running");
  bool flushed = false;
  boost::asio::co_spawn(io, collector->flush(clock.steady_now() + 1h),
                        [&](std::exception_ptr) { flushed = true; });
  run_for(40ms);
  EXPECT_FALSE(flushed);
  store.hold = false;
  ASSERT_TRUE(test::run_until(io, [&] { return flushed; }));
  EXPECT_TRUE(store.has("one"));
}

TEST_F(Collector, FlushEndsAtItsDeadline) {
  start();
  store.hold = true;
  begin("one");
  sentinels();
  end("one");
  bool flushed = false;
  boost::asio::co_spawn(io, collector->flush(clock.steady_now() + 30ms),
                        [&](std::exception_ptr) { flushed = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return flushed; }));
  EXPECT_EQ(collector->pending(), 1u);
  store.hold = false;
  ASSERT_TRUE(wait("one"));
}

}  // namespace
}  // namespace berth::activation
