// SPDX-License-Identifier: Apache-2.0
#include "replay.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>
#include <stdexcept>

#include "unit/container/simulation.hpp"

namespace berth::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::uint32_t kUsers = 10;

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

template <typename T>
double quantile(std::vector<T>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(at)]);
}

// One activation of the trace, with a stopwatch around what the pool does for it.
struct Activation final : container::Waiter {
  void on_lease(container::Lease got) override;
  void on_start_failed(const Status& why) override { throw std::runtime_error(why.to_string()); }

  struct World* world = nullptr;
  container::Lease lease;
  SteadyTime arrived;
  std::chrono::milliseconds length{0};
  std::chrono::nanoseconds own{0};
};

struct World {
  explicit World(const entity::RuntimesManifest& manifest, const container::PoolOptions& options)
      : house(manifest, options) {}

  void arrive(Activation& one) {
    one.world = this;
    one.arrived = house.world.clock.now;
    const auto begin = SteadyClock::now();
    if (!house.pool->acquire(one).ok()) throw std::runtime_error("refused");
    one.own += SteadyClock::now() - begin;
  }
  void leave(Activation& one) {
    const auto begin = SteadyClock::now();
    one.lease.release(true);
    one.own += SteadyClock::now() - begin;
    own_ns.push_back(static_cast<double>(one.own.count()));
  }

  test::SimulatedPool house;
  std::vector<double> own_ns;
  std::vector<double> waits_ms;
  std::size_t cold = 0;
};

void Activation::on_lease(container::Lease got) {
  lease = std::move(got);
  test::Simulation& time = world->house.world;
  world->waits_ms.push_back(
      std::chrono::duration<double, std::milli>(time.clock.now - arrived).count());
  const auto run = [this, &time] { time.after(length, [this] { world->leave(*this); }); };
  if (!lease.needs_init()) return run();
  if (lease.kind() != container::StartKind::kPrewarmed) ++world->cold;
  time.after(world->house.init_time, [this, run] {
    lease.initialised();
    run();
  });
}

}  // namespace

entity::RuntimesManifest make_manifest(const std::string& stem_cells) {
  auto manifest = entity::RuntimesManifest::parse(
      R"({"runtimes":{"python":[{"kind":"python:3","image":{"name":"python"},"stemCells":)" +
      stem_cells + "}]}}");
  if (!manifest) throw std::runtime_error(manifest.error().to_string());
  return *manifest;
}

entity::ActionPtr make_action(const std::string& name) {
  auto action = std::make_shared<entity::Action>();
  action->namespace_name = "guest";
  action->name = name;
  action->revision = 1;
  action->exec.kind = "python:3";
  action->limits.memory_mb = static_cast<std::int64_t>(kActionBytes >> 20);
  return action;
}

entity::Identity make_user(const std::string& name) {
  entity::Identity user;
  user.subject = user.namespace_name = name;
  user.namespace_uuid = "uuid-of-" + name;
  return user;
}

std::vector<Invocation> make_trace(std::uint32_t actions, std::size_t count, double per_second) {
  std::vector<double> shares(actions);
  for (std::uint32_t i = 0; i < actions; ++i) shares[i] = 1.0 / (i + 1);
  std::mt19937 random(4711);
  std::discrete_distribution<std::uint32_t> popularity(shares.begin(), shares.end());
  std::exponential_distribution<double> gap(per_second / 1e6);
  std::uniform_int_distribution<int> length(5, 100);
  std::vector<Invocation> trace;
  double now_us = 0;
  double burst_us = 10e6;
  while (trace.size() < count) {
    now_us += gap(random);
    std::size_t copies = 1;
    if (now_us > burst_us) {
      burst_us += 10e6;
      copies = 100;
    }
    Invocation one{std::chrono::microseconds(static_cast<std::int64_t>(now_us)), popularity(random),
                   std::chrono::milliseconds(length(random))};
    trace.insert(trace.end(), std::min(copies, count - trace.size()), one);
  }
  return trace;
}

std::vector<Invocation> make_timetable(int hours) {
  constexpr std::uint32_t kAtOnce = 16;
  std::mt19937 random(4711);
  std::uniform_int_distribution<std::int64_t> second(0, hours * 3600 - 1);
  std::uniform_int_distribution<std::uint32_t> other(64, kTimetableActions - 1);
  std::vector<Invocation> trace;
  const std::chrono::milliseconds length(50);
  for (int quarter = 0; quarter < hours * 4; ++quarter) {
    for (std::uint32_t i = 0; i < kAtOnce; ++i) {
      const auto number = static_cast<std::uint32_t>(quarter % 4) * kAtOnce + i;
      trace.push_back({std::chrono::minutes(quarter * 15 + 7), number, length});
    }
  }
  for (int i = 0; i < hours * 60; ++i) {
    trace.push_back({std::chrono::seconds(second(random)), other(random), length});
  }
  std::stable_sort(trace.begin(), trace.end(),
                   [](const Invocation& a, const Invocation& b) { return a.at < b.at; });
  return trace;
}

Replay replay(const std::vector<Invocation>& trace, std::uint32_t actions,
              const ReplayOptions& with) {
  const entity::RuntimesManifest manifest = make_manifest(with.stem_cells);
  std::vector<entity::Identity> users;
  for (std::uint32_t i = 0; i < kUsers; ++i) users.push_back(make_user("u" + std::to_string(i)));
  std::vector<entity::ActionPtr> known;
  for (std::uint32_t i = 0; i < actions; ++i) known.push_back(make_action("a" + std::to_string(i)));
  container::PoolOptions options;
  options.memory_bytes = with.containers * kActionBytes;
  options.predict = with.predict;
  options.max_queue = trace.size();
  std::vector<Activation> activations(trace.size());
  World world(manifest, options);
  world.house.factory.start_time = test::milliseconds(200);
  test::Simulation& time = world.house.world;

  // One event at a time: the next arrival is put in by the one before it.
  std::size_t next = 0;
  std::function<void()> arrive = [&] {
    const Invocation& what = trace[next];
    Activation& one = activations[next++];
    const std::uint32_t number = what.action % actions;
    one.action = known[number];
    one.user = &users[number % kUsers];
    one.transaction_id = "b";
    one.length = what.length;
    if (next < trace.size()) time.after(trace[next].at - what.at, arrive);
    world.arrive(one);
  };
  const double before = cpu_seconds();
  time.after(trace[0].at, arrive);
  time.run_for(trace.back().at + std::chrono::seconds(1));
  for (int i = 0; i < 600 && world.own_ns.size() < trace.size(); ++i) {
    time.run_for(std::chrono::seconds(1));
  }
  const double took = cpu_seconds() - before;
  if (world.own_ns.size() != trace.size()) throw std::runtime_error("activations were lost");

  Replay result;
  result.activations_per_cpu_second = static_cast<double>(trace.size()) / took;
  result.own_p50_us = quantile(world.own_ns, 0.5) / 1000;
  result.own_p99_us = quantile(world.own_ns, 0.99) / 1000;
  result.own_p999_us = quantile(world.own_ns, 0.999) / 1000;
  result.wait_p50_ms = quantile(world.waits_ms, 0.5);
  result.wait_p99_ms = quantile(world.waits_ms, 0.99);
  result.cold_share = static_cast<double>(world.cold) / static_cast<double>(trace.size());
  result.peak_containers = static_cast<double>(world.house.factory.peak);
  return result;
}

}  // namespace berth::bench
