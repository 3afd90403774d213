// SPDX-License-Identifier: Apache-2.0
// How much is read, kept and appended at once.
#include "unit/activation/log_collector_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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
