// SPDX-License-Identifier: Apache-2.0
// A ContainerPool over the fake factory. Time passes only by tick().
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "container/container_pool.hpp"
#include "unit/container/fakes.hpp"

namespace berth::container {

using namespace std::chrono_literals;
constexpr std::uint64_t kMb = 1024 * 1024;

struct TestWaiter final : Waiter {
  TestWaiter(entity::ActionPtr what, const entity::Identity& who) {
    action = std::move(what);
    user = &who;
    transaction_id = "t";
  }
  void on_lease(Lease got) override {
    lease = std::move(got);
    if (order != nullptr) order->push_back(name);
  }
  void on_start_failed(const Status& why) override { failure = why; }
  bool served() const { return static_cast<bool>(lease); }

  Lease lease;
  std::optional<Status> failure;
  std::string name;
  std::vector<std::string>* order = nullptr;
};

class PoolTest : public testing::Test {
 protected:
  PoolTest() {
    options.instance = "test";
    options.memory_bytes = 1024 * kMb;
    options.tick = 1h;
    options.cheap_start = 1h;  // how long things take here says nothing
  }
  ~PoolTest() override {
    waiters.clear();
    if (pool) pool->close();
    pool.reset();
  }

  // Makes and starts the pool; nothing before it.
  void start(const std::string& stem_cells = "[]") {
    manifest = test::make_manifest(stem_cells);
    pool = ContainerPool::make({io, clock, metrics, factory, manifest, ledger}, options);
    const auto done = [](std::exception_ptr, const auto&...) {};
    boost::asio::co_spawn(io, factory.start(pool->died_handler(), {}), done);
    std::optional<Status> status;
    boost::asio::co_spawn(io, pool->start({}),
                          [&](std::exception_ptr, Status got) { status = std::move(got); });
    test::settle(io);
    ASSERT_TRUE(status && status->ok());
  }

  TestWaiter& waiter(entity::ActionPtr action, const std::string& space = "guest") {
    users.push_back(test::make_identity(space));
    waiters.push_back(std::make_unique<TestWaiter>(std::move(action), users.back()));
    TestWaiter& made = *waiters.back();
    made.name = made.action->name;
    made.order = &order;
    return made;
  }
  // A waiter that asked already.
  TestWaiter& ask(entity::ActionPtr action, const std::string& space = "guest") {
    TestWaiter& made = waiter(std::move(action), space);
    EXPECT_TRUE(pool->acquire(made).ok());
    settle();
    return made;
  }
  TestWaiter& ask(const std::string& name, std::int64_t memory_mb = 256) {
    return ask(test::make_action(name, memory_mb));
  }
  // Init, if needed, and the end of the activation.
  void finish(TestWaiter& served, bool fit = true) {
    ASSERT_TRUE(served.served());
    if (served.lease.needs_init()) served.lease.initialised();
    served.lease.release(fit);
    settle();
  }
  // Runs an activation of that action from begin to end; leaves a warm container.
  std::string warm(const std::string& name, std::int64_t memory_mb = 256) {
    TestWaiter& run = ask(name, memory_mb);
    EXPECT_TRUE(run.served());
    if (!run.served()) return {};
    const std::string id = run.lease.container_id();
    finish(run);
    return id;
  }
  void settle() { test::settle(io); }
  void tick(std::chrono::milliseconds after = 0ms) {
    clock.advance(after);
    pool->tick();
    settle();
  }
  std::size_t count(State state) const {
    return pool->stats().containers[static_cast<std::size_t>(state)];
  }
  std::uint64_t used_mb() const { return pool->stats().used_bytes / kMb; }
  double starts(const std::string& kind) {
    return metrics
        .counter("berth_container_starts_total", "Containers given to activations by kind of start",
                 {{"kind", kind}})
        .value();
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  test::ShiftedClock clock;
  Metrics metrics;
  test::FakeFactory factory{io};
  entity::RuntimesManifest manifest;
  PoolOptions options;
  Ledger* ledger = nullptr;
  std::shared_ptr<ContainerPool> pool;
  std::deque<entity::Identity> users;
  std::vector<std::unique_ptr<TestWaiter>> waiters;
  std::vector<std::string> order;
};

}  // namespace berth::container
