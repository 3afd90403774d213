// SPDX-License-Identifier: Apache-2.0
#include "plugin/operation_table.hpp"

#include <condition_variable>
#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "host_support.hpp"

namespace berth::plugin {
namespace {

using test::ManualClock;

struct Strays final : StrayAnswers {
  void late(CallKind kind, const berth_status*, const void*) noexcept override {
    last_kind = kind;
    ++late_count;
  }
  void again(CallKind kind, const berth_status*, const void*) noexcept override {
    last_kind = kind;
    ++again_count;
  }
  void unknown(berth_op) noexcept override { ++unknown_count; }

  std::atomic<int> late_count{0};
  std::atomic<int> again_count{0};
  std::atomic<int> unknown_count{0};
  std::atomic<CallKind> last_kind{};
};

struct Waiter final : PendingCall {
  void accept(const berth_status*, const void*) noexcept override { ++accepted; }
  void give_up(berth_op, const Status& why) noexcept override {
    code = why.code();
    ++given_up;
  }
  int outcomes() const { return accepted + given_up; }

  std::atomic<int> accepted{0};
  std::atomic<int> given_up{0};
  std::atomic<StatusCode> code{StatusCode::kOk};
};

class OperationTableTest : public testing::Test {
 protected:
  void answer(berth_op op) { table.complete(op, nullptr, nullptr); }

  ManualClock clock;
  Strays strays;
  OperationTable table{clock, strays, /*watch=*/false};
};

TEST_F(OperationTableTest, AnAnswerReachesItsCallOnce) {
  Waiter first;
  Waiter second;
  const berth_op a = table.begin(first, CallKind::kCreate, 0);
  const berth_op b = table.begin(second, CallKind::kDestroy, 0);
  EXPECT_NE(a.id, 0u);
  EXPECT_NE(a.id, b.id);
  EXPECT_EQ(table.in_flight(), 2u);
  answer(b);
  EXPECT_EQ(second.accepted, 1);
  EXPECT_EQ(first.outcomes(), 0);
  answer(a);
  EXPECT_EQ(first.accepted, 1);
  EXPECT_EQ(table.in_flight(), 0u);
  EXPECT_EQ(strays.again_count + strays.late_count + strays.unknown_count, 0);
}

TEST_F(OperationTableTest, ASecondAnswerTouchesNothingAlsoAfterTheSlotIsReused) {
  Waiter first;
  const berth_op op = table.begin(first, CallKind::kCreate, 0);
  answer(op);
  answer(op);
  EXPECT_EQ(first.accepted, 1);
  EXPECT_EQ(strays.again_count, 1);
  EXPECT_EQ(strays.last_kind, CallKind::kCreate);

  Waiter next;
  const berth_op reused = table.begin(next, CallKind::kFetch, 0);
  EXPECT_NE(reused.id, op.id);
  answer(op);
  EXPECT_EQ(next.outcomes(), 0);
  EXPECT_EQ(strays.again_count, 2);
  answer(reused);
  EXPECT_EQ(next.accepted, 1);
}

TEST_F(OperationTableTest, AnIdThatWasNeverIssuedIsUnknown) {
  Waiter waiter;
  const berth_op op = table.begin(waiter, CallKind::kCreate, 0);
  answer({0});
  answer({~std::uint64_t{0}});
  answer({op.id + (std::uint64_t{1} << 32)});  // a generation to come
  answer({op.id + 1});                         // a free slot's generation to come
  OperationTable other(clock, strays, false);
  other.complete(op, nullptr, nullptr);  // another plugin's operation
  EXPECT_EQ(strays.unknown_count, 5);
  EXPECT_EQ(waiter.outcomes(), 0);
  answer(op);
}

TEST_F(OperationTableTest, TheDeadlineGivesUpAndALateAnswerIsToldAsSuch) {
  Waiter waiter;
  Waiter patient;
  const std::uint64_t now = monotonic_ns(clock.steady_now());
  const berth_op op = table.begin(waiter, CallKind::kCreate, now + 1000);
  const berth_op endless = table.begin(patient, CallKind::kCreate, 0);
  EXPECT_EQ(table.give_up_due(), now + 1000);
  EXPECT_EQ(waiter.outcomes(), 0);
  clock.advance(std::chrono::nanoseconds(1000));
  EXPECT_EQ(table.give_up_due(), UINT64_MAX);
  EXPECT_EQ(waiter.given_up, 1);
  EXPECT_EQ(waiter.code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(patient.outcomes(), 0);
  EXPECT_EQ(table.abandoned(), 1u);

  answer(op);
  EXPECT_EQ(strays.late_count, 1);
  EXPECT_EQ(table.abandoned(), 0u);
  answer(op);
  EXPECT_EQ(strays.again_count, 1);
  EXPECT_EQ(waiter.outcomes(), 1);
  answer(endless);
}

TEST_F(OperationTableTest, CancellingAndClosingGiveUp) {
  Waiter cancelled;
  Waiter left;
  const berth_op op = table.begin(cancelled, CallKind::kReadLogs, 0);
  table.begin(left, CallKind::kReadLogs, 0);
  EXPECT_TRUE(table.give_up(op, sdk::cancelled("enough")));
  EXPECT_FALSE(table.give_up(op, sdk::cancelled("enough")));
  EXPECT_EQ(cancelled.code, StatusCode::kCancelled);
  table.give_up_all(sdk::unavailable("closed"));
  EXPECT_EQ(left.code, StatusCode::kUnavailable);
  EXPECT_EQ(table.in_flight(), 0u);
}

TEST_F(OperationTableTest, WhatIsNeverAnsweredIsForgottenInTheEnd) {
  Waiter waiter;
  std::vector<berth_op> ops;
  const std::size_t more = OperationTable::kMaxAbandoned + 100;
  for (std::size_t i = 0; i < more; ++i) {
    ops.push_back(table.begin(waiter, CallKind::kCreate, 0));
    ASSERT_TRUE(table.give_up(ops.back(), sdk::cancelled("")));
  }
  EXPECT_EQ(table.abandoned(), OperationTable::kMaxAbandoned);
  answer(ops.front());
  EXPECT_EQ(strays.again_count, 1);
  answer(ops.back());
  EXPECT_EQ(strays.late_count, 1);
}

TEST(OperationTableWatch, ItsThreadGivesUpByItself) {
  Strays strays;
  OperationTable table(system_clock(), strays);
  Waiter late;
  Waiter soon;
  table.begin(late, CallKind::kCreate, monotonic_ns(test::in(std::chrono::milliseconds(40))));
  table.begin(soon, CallKind::kCreate, monotonic_ns(test::in(std::chrono::milliseconds(5))));
  EXPECT_TRUE(test::eventually([&] { return late.given_up == 1 && soon.given_up == 1; }));
  EXPECT_EQ(soon.code, StatusCode::kDeadlineExceeded);
}

// Callers, a plugin that answers once, twice, late or never, cancellers and the watcher, all at
// once: every call has exactly one outcome, and every answer is accounted for.
TEST(OperationTableStress, EveryCallHasOneOutcome) {
  Strays strays;
  OperationTable table(system_clock(), strays);
  constexpr int kCallers = 3;
  constexpr int kCalls = 4000;
  std::vector<std::unique_ptr<std::deque<Waiter>>> waiters;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<berth_op> handed_over;
  bool ended = false;
  std::atomic<std::uint64_t> answers{0};

  const auto plugin = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::deque<berth_op> kept;
    for (;;) {
      berth_op op{0};
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return ended || !handed_over.empty(); });
        if (handed_over.empty()) break;
        op = handed_over.front();
        handed_over.pop_front();
      }
      const auto dice = random() % 10;
      if (dice == 0) {
        kept.push_back(op);  // much later
        continue;
      }
      for (int i = dice == 1 ? 2 : 1; i > 0; --i) {
        table.complete(op, nullptr, nullptr);
        ++answers;
      }
    }
    for (const berth_op op : kept) {
      table.complete(op, nullptr, nullptr);
      ++answers;
    }
  };
  const auto caller = [&](int which) {
    std::mt19937 random(static_cast<unsigned>(which));
    for (int i = 0; i < kCalls; ++i) {
      Waiter& waiter = waiters[static_cast<std::size_t>(which)]->emplace_back();
      const std::uint64_t deadline =
          monotonic_ns(test::in(std::chrono::microseconds(random() % 2000)));
      const berth_op op = table.begin(waiter, CallKind::kCreate, deadline);
      {
        const std::lock_guard lock(mutex);
        handed_over.push_back(op);
      }
      changed.notify_one();
      if (random() % 8 == 0) table.give_up(op, sdk::cancelled(""));
    }
  };

  for (int i = 0; i < kCallers; ++i) waiters.push_back(std::make_unique<std::deque<Waiter>>());
  std::vector<std::thread> plugins;
  for (unsigned i = 0; i < 2; ++i) plugins.emplace_back(plugin, 100 + i);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) callers.emplace_back(caller, i);
  for (std::thread& thread : callers) thread.join();
  {
    const std::lock_guard lock(mutex);
    ended = true;
  }
  changed.notify_all();
  for (std::thread& thread : plugins) thread.join();
  table.give_up_all(sdk::unavailable("closed"));

  std::uint64_t accepted = 0;
  ASSERT_TRUE(test::eventually([&] { return table.in_flight() == 0; }));
  for (const auto& list : waiters) {
    for (const Waiter& waiter : *list) {
      // The watcher may be between claiming and telling.
      EXPECT_TRUE(test::eventually([&] { return waiter.outcomes() > 0; }));
      EXPECT_EQ(waiter.outcomes(), 1);
      accepted += static_cast<std::uint64_t>(waiter.accepted);
    }
  }
  EXPECT_EQ(answers, accepted + static_cast<std::uint64_t>(strays.late_count + strays.again_count +
                                                           strays.unknown_count));
  EXPECT_EQ(strays.unknown_count, 0);
}

}  // namespace
}  // namespace berth::plugin
