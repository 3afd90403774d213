// SPDX-License-Identifier: Apache-2.0
// Waiters that do things to the pool from inside their callbacks: give the lease back at once,
// cancel others. What the pool was working with may be without a user afterwards.
#include <functional>

#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

// Does `then` once it has its lease or failure.
struct Caller final : Waiter {
  Caller(entity::ActionPtr what, const entity::Identity& who) {
    action = std::move(what);
    user = &who;
    transaction_id = "t";
  }
  void on_lease(Lease got) override {
    lease = std::move(got);
    answered = true;
    then();
  }
  void on_start_failed(const Status&) override {
    answered = true;
    then();
  }

  std::function<void()> then = [] {};
  Lease lease;
  bool answered = false;
};

class Callbacks : public PoolTest {
 protected:
  ~Callbacks() override { callers.clear(); }

  Caller& caller(const std::string& name, std::int64_t memory_mb = 256) {
    callers.push_back(std::make_unique<Caller>(test::make_action(name, memory_mb), user));
    return *callers.back();
  }
  void acquire(Caller& one) {
    ASSERT_TRUE(pool->acquire(one).ok());
    settle();
  }
  // Nothing is left of who waited or was served, but in the stock.
  void expect_forgotten() {
    settle();
    EXPECT_EQ(pool->stats().queue, 0u);
    EXPECT_EQ(pool->stats().tenants, 0u);
    EXPECT_EQ(used_mb(), pool->stats().stock_bytes / kMb);
  }

  const entity::Identity user = test::make_identity("guest");
  std::vector<std::unique_ptr<Caller>> callers;
};

TEST_F(Callbacks, ANewContainerIsGivenBackAtOnce) {
  start();
  Caller& one = caller("a");
  one.then = [&] { one.lease.give_back(); };
  acquire(one);
  EXPECT_TRUE(one.answered);
  EXPECT_EQ(count(State::kPrewarmed), 1u);
  expect_forgotten();
}

TEST_F(Callbacks, AResizedContainerIsGivenBackAtOnce) {
  factory.resizable = true;
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  Caller& one = caller("a", 512);
  one.then = [&] { one.lease.give_back(); };
  acquire(one);
  EXPECT_TRUE(one.answered);
  EXPECT_EQ(factory.resizes, 1u);
  expect_forgotten();
}

TEST_F(Callbacks, WhoGetsWhatIsGivenBackCancelsTheOthersOfItsAction) {
  options.memory_bytes = 256 * kMb;
  start();
  Caller& first = caller("a");
  acquire(first);
  ASSERT_TRUE(first.lease);
  Caller& other = caller("b");
  Caller& second = caller("a");
  other.then = [&] { pool->cancel(second); };
  acquire(other);
  acquire(second);
  first.lease.give_back();
  EXPECT_TRUE(other.answered);
  EXPECT_FALSE(second.answered);
  other.lease.give_back();
  expect_forgotten();
}

TEST_F(Callbacks, AFailedStartHasTheOthersCancelled) {
  options.memory_bytes = 256 * kMb;
  factory.create_failures = {sdk::internal("broken")};
  factory.hold_creates = true;
  start();
  Caller& first = caller("a");
  Caller& second = caller("a");
  first.then = [&] { pool->cancel(second); };
  acquire(first);
  acquire(second);
  factory.let_create();
  settle();
  EXPECT_TRUE(first.answered);
  EXPECT_FALSE(second.answered);
  EXPECT_EQ(factory.created.size(), 1u) << "nobody waits for another one";
  expect_forgotten();
}

TEST_F(Callbacks, AStartThatIsNotTriedAgainHasTheOthersCancelled) {
  options.memory_bytes = 256 * kMb;
  factory.create_failures = {sdk::unavailable("the engine is away")};
  factory.hold_creates = true;
  start();
  Caller& first = caller("a");
  Caller& second = caller("a");
  first.then = [&] { pool->cancel(second); };
  acquire(first);
  acquire(second);
  clock.advance(options.max_wait);
  factory.let_create();
  settle();
  EXPECT_TRUE(first.answered);
  EXPECT_FALSE(second.answered);
  expect_forgotten();
}

// The surplus start of an action that is gone is the last of its size; what it is given back to
// takes it for another size.
TEST_F(Callbacks, TheLastContainerOfASizeIsTakenForAnother) {
  factory.resizable = true;
  factory.hold_creates = true;
  start();
  Caller& gone = caller("gone");
  acquire(gone);
  pool->cancel(gone);
  factory.let_create();
  settle();
  ASSERT_EQ(count(State::kPrewarmed), 1u);
  ASSERT_EQ(pool->stats().classes, 1u);
  Caller& one = caller("a");
  Caller& large = caller("b", 512);
  one.then = [&] {
    one.lease.give_back();
    EXPECT_TRUE(pool->acquire(large).ok());
  };
  acquire(one);
  ASSERT_TRUE(large.answered);
  EXPECT_EQ(factory.resizes, 1u);
  large.lease.give_back();
  expect_forgotten();
  EXPECT_EQ(pool->stats().classes, 1u) << "of the larger one";
}

}  // namespace
}  // namespace berth::container
