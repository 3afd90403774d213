// SPDX-License-Identifier: Apache-2.0
// A pool in a world of its own: a clock that only the simulation moves, a factory whose containers
// take a set time to start and to go, and activations of set length. Nothing waits for real time,
// so that hours pass in a moment and each run is the same. One thread.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "container/container_pool.hpp"

namespace berth::test {

using std::chrono::milliseconds;

class VirtualClock final : public Clock {
 public:
  SteadyTime steady_now() const override { return now; }
  WallTime wall_now() const override {
    return WallTime(std::chrono::duration_cast<WallTime::duration>(now.time_since_epoch()));
  }
  SteadyTime now = SteadyTime(std::chrono::hours(1));
};

class Simulation {
 public:
  using Event = std::function<void()>;

  // Runs `event` when the clock is `after` from now.
  void after(std::chrono::nanoseconds time, Event event) {
    events_.emplace(clock.now + time, std::move(event));
  }
  // Everything that is to happen until then.
  void run_for(std::chrono::nanoseconds time) {
    const SteadyTime end = clock.now + time;
    settle();
    while (!events_.empty() && events_.begin()->first <= end) {
      auto next = events_.extract(events_.begin());
      clock.now = next.key();
      next.mapped()();
      settle();
    }
    clock.now = end;
  }
  // What is ready now.
  void settle() {
    if (io.stopped()) io.restart();
    while (io.poll() > 0) {
    }
  }

  boost::asio::io_context io{1};
  VirtualClock clock;

 private:
  std::multimap<SteadyTime, Event> events_;
};

class SimulatedFactory final : public plugin::ContainerFactory {
 public:
  explicit SimulatedFactory(Simulation& world) : world_(world) {}

  milliseconds start_time{500};
  milliseconds destroy_time{50};
  milliseconds resume_time{1};
  std::size_t created = 0;
  std::size_t living = 0;
  std::size_t peak = 0;

  plugin::Awaitable<void> start(DiedHandler, SteadyTime) override { co_return Result<void>(); }
  plugin::Awaitable<plugin::ContainerInfo> create(plugin::CreateRequest request,
                                                  SteadyTime) override {
    plugin::ContainerInfo info;
    info.id = std::to_string(++created);
    info.name = std::move(request.name);
    info.address = "unix:/none";
    peak = std::max(peak, ++living);
    co_await pass(start_time);
    co_return info;
  }
  plugin::Awaitable<void> destroy(std::string, SteadyTime) override {
    co_await pass(destroy_time);
    --living;
    co_return Result<void>();
  }
  plugin::Awaitable<void> pause(std::string, SteadyTime) override {
    co_await pass(resume_time);
    co_return Result<void>();
  }
  plugin::Awaitable<void> resume(std::string, SteadyTime) override {
    co_await pass(resume_time);
    co_return Result<void>();
  }
  plugin::Awaitable<std::vector<plugin::ContainerInfo>> list(SteadyTime) override {
    co_return std::vector<plugin::ContainerInfo>();
  }
  plugin::Awaitable<plugin::LogBatch> read_logs(std::string, std::string, std::uint64_t,
                                                SteadyTime) override {
    co_return sdk::unimplemented("no logs");
  }
  plugin::Awaitable<plugin::Capacity> capacity(SteadyTime) override {
    plugin::Capacity capacity;
    capacity.can_pause = true;
    co_return capacity;
  }
  plugin::Awaitable<void> drain(SteadyTime) override { co_return Result<void>(); }
  plugin::Awaitable<void> stop(plugin::StopMode, SteadyTime) override { co_return Result<void>(); }

 private:
  boost::asio::awaitable<void> pass(milliseconds time) {
    const auto gate = std::make_shared<boost::asio::steady_timer>(world_.io, SteadyTime::max());
    world_.after(time, [gate] { gate->cancel(); });
    boost::system::error_code woken;
    co_await gate->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
  }

  Simulation& world_;
};

// A pool in that world, and activations that run in it.
class SimulatedPool {
 public:
  struct Job;
  using Done = std::function<void(const Job&)>;

  // One activation: waits, is initialised if it must be, runs, ends.
  struct Job final : container::Waiter {
    Job(SimulatedPool& the_house, entity::ActionPtr what, const entity::Identity& who,
        milliseconds length, Done when_done)
        : house(the_house), run_time(length), done(std::move(when_done)) {
      action = std::move(what);
      user = &who;
      transaction_id = "sim";
      arrived = house.world.clock.now;
    }
    void on_lease(container::Lease got) override {
      lease = std::move(got);
      kind = lease.kind();
      leased = house.world.clock.now;
      const bool init = lease.needs_init();
      if (!init) return run();
      house.world.after(house.init_time, [this] {
        lease.initialised();
        run();
      });
    }
    void run() {
      house.world.after(run_time, [this] {
        ended = house.world.clock.now;
        house.finish(*this);
      });
    }
    void on_start_failed(const Status& why) override {
      throw std::logic_error("a simulated container cannot fail: " + why.to_string());
    }
    milliseconds waited() const {
      return std::chrono::duration_cast<milliseconds>(leased - arrived);
    }
    milliseconds whole() const { return std::chrono::duration_cast<milliseconds>(ended - arrived); }

    SimulatedPool& house;
    const milliseconds run_time;
    Done done;
    container::Lease lease;
    container::StartKind kind = container::StartKind::kCold;
    SteadyTime arrived, leased, ended;
  };

  SimulatedPool(const entity::RuntimesManifest& manifest, container::PoolOptions options)
      : manifest_(manifest) {
    options.tick = std::chrono::hours(10'000);  // the simulation ticks itself
    pool = container::ContainerPool::make({world.io, world.clock, metrics, factory, manifest_},
                                          std::move(options));
    boost::asio::co_spawn(world.io, pool->start(SteadyTime::max()),
                          [](std::exception_ptr, const Status&) {});
    world.settle();
    tick();
  }
  ~SimulatedPool() {
    pool->close();
    jobs_.clear();
    pool.reset();
  }

  // False: refused.
  bool submit(entity::ActionPtr action, const entity::Identity& user, milliseconds length,
              Done done) {
    auto job = std::make_unique<Job>(*this, std::move(action), user, length, std::move(done));
    Job& made = *job;
    jobs_.emplace(&made, std::move(job));
    const bool taken = pool->acquire(made).ok();
    if (!taken) jobs_.erase(&made);
    return taken;
  }

  Simulation world;
  Metrics metrics;
  SimulatedFactory factory{world};
  milliseconds init_time{50};
  std::shared_ptr<container::ContainerPool> pool;

 private:
  void finish(Job& job) {
    const auto own = jobs_.extract(&job);
    job.lease.release(true);
    if (job.done) job.done(job);
  }
  void tick() {
    world.after(milliseconds(100), [this] {
      pool->tick();
      tick();
    });
  }

  const entity::RuntimesManifest& manifest_;
  std::map<Job*, std::unique_ptr<Job>> jobs_;
};

}  // namespace berth::test
