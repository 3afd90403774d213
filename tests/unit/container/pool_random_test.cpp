// SPDX-License-Identifier: Apache-2.0
// Long random lives of a pool: whatever happens in whatever order, memory is never exceeded, nobody
// is forgotten, and in the end every byte is accounted for.
#include <array>
#include <random>
#include <set>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

class RandomPool : public PoolTest, public testing::WithParamInterface<unsigned> {
 protected:
  unsigned roll(unsigned below) {
    return std::uniform_int_distribution<unsigned>(0, below - 1)(random);
  }

  void check() {
    const PoolStats stats = pool->stats();
    ASSERT_LE(stats.used_bytes, options.memory_bytes);
    ASSERT_LE(factory.peak_bytes, options.memory_bytes);
    std::uint64_t bytes = 0;
    for (const auto& [id, box] : factory.boxes) bytes += box->request.memory_bytes;
    ASSERT_LE(bytes, stats.used_bytes) << "a container in nobody's books";
    std::size_t waiting = 0;
    for (const auto& one : waiters) waiting += !one->served() && !one->failure && !done(*one);
    ASSERT_EQ(waiting, stats.queue);
  }

  bool done(const TestWaiter& one) const { return finished.count(&one) != 0; }

  void finish_one(bool fit) {
    std::vector<TestWaiter*> running;
    for (const auto& one : waiters) {
      if (one->served()) running.push_back(one.get());
    }
    if (running.empty()) return;
    TestWaiter& chosen = *running[roll(static_cast<unsigned>(running.size()))];
    finished.insert(&chosen);
    finish(chosen, fit);
  }

  void one_step() {
    static const std::array<std::int64_t, 4> sizes{128, 256, 384, 512};
    switch (roll(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: {
        const unsigned number = roll(12);
        ask(test::make_action("a" + std::to_string(number), sizes[number % 4], 1,
                              number % 3 == 0 ? "nodejs:20" : "python:3", number == 5 ? 3 : 1),
            number % 4 == 1   ? "other"
            : number % 5 == 2 ? "third"
                              : "guest");
        break;
      }
      case 5:
      case 6:
      case 7: finish_one(true); break;
      case 8: finish_one(roll(3) != 0); break;
      case 9: tick(std::chrono::milliseconds(roll(15'000))); break;
      case 10:
        if (!factory.boxes.empty() && roll(3) == 0) {
          auto box = factory.boxes.begin();
          std::advance(box, roll(static_cast<unsigned>(factory.boxes.size())));
          const std::string id = box->first;
          factory.die(id);
          settle();
        }
        break;
      case 11:
        switch (roll(7)) {
          case 0: factory.create_failures = {sdk::unavailable("random")}; break;
          case 1: factory.create_failures = {sdk::internal("random")}; break;
          case 2: factory.destroy_failures = {sdk::unavailable("random")}; break;
          case 3: factory.resume_failure = roll(2) == 0 ? sdk::internal("random") : Status(); break;
          case 4: factory.pause_failure = roll(2) == 0 ? sdk::internal("random") : Status(); break;
          case 5: factory.resize_failure = roll(2) == 0 ? sdk::internal("random") : Status(); break;
          case 6: {
            for (const auto& one : waiters) {
              if (one->served() || one->failure || done(*one)) continue;
              pool->cancel(*one);
              finished.insert(one.get());
              break;
            }
            settle();
            break;
          }
        }
        break;
    }
  }

  std::mt19937 random{GetParam()};
  std::set<const TestWaiter*> finished;
};

TEST_P(RandomPool, NobodyIsForgottenAndEveryByteIsAccountedFor) {
  options.memory_bytes = (640 + 128 * (GetParam() % 8)) * kMb;
  options.pause_grace = 5s;
  options.idle_timeout = 40s;
  options.overtake_limit = std::chrono::milliseconds(GetParam() % 3 * 1000);
  options.residency = std::chrono::milliseconds(GetParam() % 2 * 1000);
  factory.resizable = GetParam() % 4 != 2;
  start(GetParam() % 2 == 0 ? R"([{"initialCount":1,"memory":"256 MB"}])" : "[]");
  for (int i = 0; i < 400; ++i) {
    one_step();
    check();
    if (HasFatalFailure()) return;
  }
  // Everything ends: all that waits is served.
  factory.create_failures.clear();
  factory.destroy_failures.clear();
  factory.resume_failure = factory.pause_failure = factory.resize_failure = Status();
  for (int i = 0; i < 2000 && pool->stats().queue > 0; ++i) {
    finish_one(true);
    if (i % 4 == 0) tick(1s);
    check();
    if (HasFatalFailure()) return;
  }
  ASSERT_EQ(pool->stats().queue, 0u);
  for (int i = 0; i < 1000; ++i) finish_one(true);
  for (int i = 0; i < 10; ++i) tick(41s);
  const PoolStats stats = pool->stats();
  EXPECT_EQ(stats.used_bytes, stats.stock_bytes);
  EXPECT_EQ(stats.idle_bytes, 0u);
  std::size_t alive = 0;
  for (const std::size_t count : stats.containers) alive += count;
  EXPECT_EQ(alive, factory.boxes.size());
  EXPECT_EQ(alive, stats.containers[static_cast<std::size_t>(State::kPrewarmed)]);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPool, testing::Range(0u, 48u));

}  // namespace
}  // namespace berth::container
