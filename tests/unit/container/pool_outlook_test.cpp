// SPDX-License-Identifier: Apache-2.0
// What the pool does not look at again while it waits: the same as if it looked at all of it with
// each activation that begins or ends.
#include <random>
#include <tuple>
#include <vector>

#include "unit/container/fakes.hpp"
#include "unit/container/simulation.hpp"

namespace berth::container {
namespace {

constexpr std::uint64_t kMb = 1024 * 1024;

class Outlooks : public testing::TestWithParam<unsigned> {
 protected:
  struct Run {
    // Of each activation, in the order of their ends: its number, its wait, how it got a container.
    std::vector<std::tuple<int, test::milliseconds, StartKind>> ended;
    std::size_t created = 0;
    std::size_t waited = 0;
  };

  Run run(bool forget) {
    const entity::RuntimesManifest manifest = test::make_manifest(
        GetParam() % 4 == 0 ? R"([{"initialCount":2,"memory":"256 MB"}])" : "[]");
    PoolOptions options;
    options.memory_bytes = 16 * 256 * kMb;
    options.share_window = std::chrono::milliseconds(GetParam() % 2 == 0 ? 60'000 : 700);
    options.idle_timeout = std::chrono::seconds(GetParam() % 3 == 0 ? 600 : 5);
    options.pause_grace = std::chrono::seconds(GetParam() % 5 == 0 ? 1 : 10);
    std::vector<entity::Identity> users;
    const unsigned spaces = 1 + GetParam() % 6;
    for (unsigned i = 0; i < spaces; ++i) {
      users.push_back(test::make_identity("u" + std::to_string(i)));
    }
    std::vector<entity::ActionPtr> actions;
    std::vector<double> weights;
    for (int i = 0; i < 24; ++i) {
      const std::int64_t size = i % 7 == 3 ? 512 : i % 5 == 2 ? 128 : 256;
      actions.push_back(test::make_action("a" + std::to_string(i), size, 1,
                                          i % 6 == 5 ? "nodejs:20" : "python:3",
                                          i % 8 == 1 ? 2 : 1));
      weights.push_back(1.0 / (i + 1));
    }
    std::mt19937 random(GetParam());
    std::discrete_distribution<std::size_t> which(weights.begin(), weights.end());
    std::exponential_distribution<double> gap_ms(0.15);
    std::uniform_int_distribution<int> length(5, 100);
    Run result;
    test::SimulatedPool house(manifest, options);
    house.factory.start_time = test::milliseconds(GetParam() % 3 == 1 ? 10 : 150);
    const auto look_at_all = [&] {
      if (forget) house.pool->forget_outlooks();
    };
    double at_ms = 0;
    for (int i = 0; i < 6000; ++i) {
      at_ms += gap_ms(random);
      const std::size_t number = which(random);
      const int copies = i % 500 == 499 ? 40 : 1;
      const test::milliseconds takes(length(random));
      for (int copy = 0; copy < copies; ++copy) {
        house.world.after(std::chrono::microseconds(static_cast<std::int64_t>(at_ms * 1000)),
                          [&, i, number, takes] {
                            house.submit(actions[number], users[number % spaces], takes,
                                         [&, i](const test::SimulatedPool::Job& job) {
                                           result.ended.emplace_back(i, job.waited(), job.kind);
                                           if (job.waited().count() > 0) ++result.waited;
                                           look_at_all();
                                         });
                            look_at_all();
                          });
      }
    }
    house.world.run_for(std::chrono::minutes(10));
    EXPECT_EQ(house.pool->stats().queue, 0u);
    result.created = house.factory.created;
    return result;
  }
};

TEST_P(Outlooks, WhatIsNotLookedAtWouldNotHaveBeenFound) {
  const Run plain = run(false);
  const Run whole = run(true);
  EXPECT_GT(plain.waited, 1000u) << "nobody had to wait: nothing was tried";
  EXPECT_GT(plain.created, 16u) << "nobody had to give way";
  EXPECT_EQ(plain.created, whole.created);
  ASSERT_EQ(plain.ended.size(), whole.ended.size());
  for (std::size_t i = 0; i < plain.ended.size(); ++i) {
    ASSERT_EQ(plain.ended[i], whole.ended[i]) << "the " << i << "th to end";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Outlooks, testing::Range(0u, 8u));
// In which a promise ends between two looks, and one container alone is too small.
INSTANTIATE_TEST_SUITE_P(Special, Outlooks, testing::Values(46u, 274u, 724u));

}  // namespace
}  // namespace berth::container
