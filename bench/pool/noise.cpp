// SPDX-License-Identifier: Apache-2.0
#include "noise.hpp"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <vector>

#include "trace.hpp"
#include "unit/container/simulation.hpp"

namespace berth::bench {
namespace {

constexpr int kSeconds = 300;
constexpr std::size_t kContainers = 10;
constexpr std::size_t kLoudActions = 20;
constexpr int kLoudWaiting = 200;

double p99_of_quiet(bool noise, bool new_actions) {
  const entity::RuntimesManifest manifest = make_manifest();
  const entity::Identity loud = make_user("loud");
  const entity::Identity quiet = make_user("quiet");
  container::PoolOptions options;
  options.memory_bytes = kContainers * kActionBytes;
  std::vector<entity::ActionPtr> actions;
  for (std::size_t i = 0; i < kLoudActions; ++i) {
    actions.push_back(make_action("loud-" + std::to_string(i)));
  }
  const entity::ActionPtr same = make_action("quiet");
  std::vector<double> times;
  std::size_t next = 0;
  bool over = false;
  std::function<void()> more;
  test::SimulatedPool house(manifest, options);
  const test::milliseconds length(100);
  more = [&] {
    if (over) return;
    const entity::ActionPtr action = actions[next++ % actions.size()];
    house.submit(action, loud, length, [&](const test::SimulatedPool::Job&) { more(); });
  };
  if (noise) {
    for (int i = 0; i < kLoudWaiting; ++i) more();
  }
  for (int second = 0; second < kSeconds; ++second) {
    house.world.after(std::chrono::seconds(second), [&, second] {
      const auto action = new_actions ? make_action("quiet-" + std::to_string(second)) : same;
      const bool taken =
          house.submit(action, quiet, length, [&](const test::SimulatedPool::Job& job) {
            times.push_back(static_cast<double>(job.whole().count()));
          });
      if (!taken) throw std::runtime_error("the quiet namespace was refused");
    });
  }
  house.world.run_for(std::chrono::seconds(kSeconds + 60));
  over = true;
  if (times.size() != kSeconds) throw std::runtime_error("activations were lost");
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100 - 1];
}

}  // namespace

Noise measure_noise(bool new_actions) {
  return {p99_of_quiet(false, new_actions), p99_of_quiet(true, new_actions)};
}

}  // namespace berth::bench
