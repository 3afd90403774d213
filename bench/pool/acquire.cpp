// SPDX-License-Identifier: Apache-2.0
#include "acquire.hpp"

#include <chrono>
#include <ctime>
#include <deque>
#include <list>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "trace.hpp"
#include "unit/container/simulation.hpp"

namespace berth::bench {
namespace {

// Of this thread alone: what others do on the machine meanwhile does not count.
std::chrono::nanoseconds cpu_now() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

struct Taker final : container::Waiter {
  void on_lease(container::Lease got) override { lease = std::move(got); }
  void on_start_failed(const Status&) override {}
  void ask(const entity::ActionPtr& what, const entity::Identity& who) {
    action = what;
    user = &who;
    transaction_id = "b";
  }
  container::Lease lease;
};

double ns_each(std::size_t operations, std::chrono::nanoseconds begin) {
  return static_cast<double>((cpu_now() - begin).count()) / static_cast<double>(operations);
}

}  // namespace

AcquireCost measure_acquire(std::size_t containers, std::size_t operations) {
  const entity::RuntimesManifest manifest = make_manifest();
  const entity::Identity user = make_user("guest");
  container::PoolOptions options;
  options.memory_bytes = containers * kActionBytes;
  options.pause_grace = options.idle_timeout = std::chrono::hours(1000);  // they stay as they are
  test::SimulatedPool house(manifest, options);
  house.factory.start_time = test::milliseconds(0);
  std::vector<entity::ActionPtr> actions;
  for (std::size_t i = 0; i < containers; ++i) {
    actions.push_back(make_action("action-" + std::to_string(i)));
    Taker taker;
    taker.ask(actions.back(), user);
    if (!house.pool->acquire(taker).ok()) throw std::runtime_error("refused");
    house.world.run_for(test::milliseconds(1));
    if (!taker.lease) throw std::runtime_error("no container");
    taker.lease.initialised();
    taker.lease.release(true);
  }
  std::mt19937 random(1);
  std::vector<std::uint32_t> picks(4096);
  for (auto& pick : picks) pick = static_cast<std::uint32_t>(random() % containers);

  // Who asks knows what for long before: only the asking is measured.
  std::deque<Taker> takers(picks.size());
  for (std::size_t i = 0; i < picks.size(); ++i) takers[i].ask(actions[picks[i]], user);

  AcquireCost cost;
  const auto begin = cpu_now();
  for (std::size_t i = 0; i < operations; ++i) {
    Taker& taker = takers[i % takers.size()];
    if (!house.pool->acquire(taker).ok() || !taker.lease) throw std::runtime_error("not warm");
    taker.lease.release(true);
  }
  cost.pool_ns = ns_each(operations, begin);

  struct Shelf {
    std::list<std::size_t> free;
  };
  std::unordered_map<std::string, Shelf> shelves;
  std::list<std::size_t> out;
  for (std::size_t i = 0; i < containers; ++i) shelves[actions[i]->name].free.push_front(i);
  const auto floor_begin = cpu_now();
  for (std::size_t i = 0; i < operations; ++i) {
    Shelf& shelf = shelves.find(actions[picks[i % picks.size()]]->name)->second;
    out.splice(out.begin(), shelf.free, shelf.free.begin());
    shelf.free.splice(shelf.free.begin(), out, out.begin());
  }
  cost.floor_ns = ns_each(operations, floor_begin);
  return cost;
}

}  // namespace berth::bench
