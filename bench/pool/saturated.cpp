// SPDX-License-Identifier: Apache-2.0
#include "saturated.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "trace.hpp"
#include "unit/container/simulation.hpp"

namespace berth::bench {
namespace {
constexpr std::size_t kUsers = 10;
}

Saturated measure_saturated(std::uint32_t actions, std::size_t clients, std::size_t containers) {
  const entity::RuntimesManifest manifest = make_manifest();
  std::vector<entity::Identity> users;
  for (std::size_t i = 0; i < kUsers; ++i) users.push_back(make_user("u" + std::to_string(i)));
  std::vector<entity::ActionPtr> known;
  std::vector<double> weights;
  for (std::uint32_t i = 0; i < actions; ++i) {
    known.push_back(make_action("a" + std::to_string(i)));
    weights.push_back(1.0 / (i + 1));
  }
  std::mt19937 random(4711);
  std::discrete_distribution<std::uint32_t> popularity(weights.begin(), weights.end());
  std::uniform_int_distribution<int> length(5, 100);

  container::PoolOptions options;
  options.memory_bytes = containers * kActionBytes;
  bool measuring = false;
  bool over = false;
  std::size_t done = 0;
  std::size_t cold = 0;
  std::vector<double> waits;
  std::function<void()> next;
  test::SimulatedPool house(manifest, options);
  house.factory.start_time = test::milliseconds(200);
  next = [&] {
    if (over) return;
    const std::uint32_t number = popularity(random);
    house.submit(known[number], users[number % kUsers], test::milliseconds(length(random)),
                 [&](const test::SimulatedPool::Job& job) {
                   if (measuring) {
                     ++done;
                     if (job.kind != container::StartKind::kWarm) ++cold;
                     waits.push_back(static_cast<double>(job.waited().count()));
                   }
                   next();
                 });
  };
  for (std::size_t i = 0; i < clients; ++i) next();
  house.world.run_for(std::chrono::seconds(30));
  measuring = true;
  house.world.run_for(std::chrono::seconds(60));
  measuring = false;
  over = true;
  house.world.run_for(std::chrono::seconds(60));
  std::sort(waits.begin(), waits.end());
  Saturated result;
  result.per_second = static_cast<double>(done) / 60;
  if (done > 0) {
    result.cold_share = static_cast<double>(cold) / static_cast<double>(done);
    result.wait_p99_ms = waits[waits.size() * 99 / 100];
  }
  return result;
}

}  // namespace berth::bench
