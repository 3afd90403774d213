// SPDX-License-Identifier: Apache-2.0
// What one namespace does to another one, in a simulated world where only turns and memory count.
#include <algorithm>
#include <deque>
#include <functional>
#include <gmock/gmock.h>
#include <random>

#include "unit/container/pool_fixture.hpp"
#include "unit/container/simulation.hpp"

namespace berth::container {
namespace {

using testing::ElementsAre;

// Finishes whoever is served, one by one, until nobody waits.
class Turns : public PoolTest {
 protected:
  void finish_all() {
    for (bool any = true; any;) {
      any = false;
      for (auto& one : waiters) {
        if (!one->served()) continue;
        finish(*one);
        any = true;
        break;
      }
    }
  }
};

TEST_F(Turns, NamespacesTakeTurnsHoweverManyActionsTheyBring) {
  options.memory_bytes = 256 * kMb;
  start();
  ask(test::make_action("first"), "noisy");
  for (int i = 0; i < 8; ++i) ask(test::make_action("n" + std::to_string(i)), "noisy");
  for (int i = 0; i < 3; ++i) ask(test::make_action("q" + std::to_string(i)), "quiet");
  finish_all();
  ASSERT_EQ(order.size(), 12u);
  EXPECT_EQ(order[0], "first");
  // Then one of each, in its own order, until the quiet one has nothing left.
  EXPECT_THAT(std::vector<std::string>(order.begin() + 1, order.begin() + 7),
              ElementsAre("q0", "n0", "q1", "n1", "q2", "n2"));
}

TEST_F(Turns, ABacklogInWarmContainersGivesWay) {
  options.memory_bytes = 1024 * kMb;
  options.overtake_limit = 1h;
  start();
  for (int i = 0; i < 40; ++i) ask(test::make_action("n"), "noisy");
  ASSERT_EQ(factory.created.size(), 4u);
  ask(test::make_action("q"), "quiet").name = "quiet";
  order.clear();
  finish(*waiters[0]);
  EXPECT_THAT(order, ElementsAre("quiet")) << "the first container that comes free makes room";
  EXPECT_EQ(factory.destroyed.size(), 1u);
  // Both have their share now at most; the quiet one has no more to ask for.
  for (int i = 1; i < 4; ++i) finish(*waiters[static_cast<std::size_t>(i)]);
  EXPECT_THAT(order, ElementsAre("quiet", "n", "n", "n"));
}

TEST_F(Turns, APromiseToOneAboveItsShareComesLater) {
  options.memory_bytes = 1024 * kMb;
  options.overtake_limit = 500ms;
  start();
  for (int i = 0; i < 5; ++i) ask(test::make_action("n" + std::to_string(i)), "noisy");
  tick(1s);  // the fifth is promised what comes free
  ask(test::make_action("q"), "quiet");
  order.clear();
  factory.hold_destroys = true;
  finish(*waiters[0]);
  finish(*waiters[1]);
  factory.hold_destroys = false;
  factory.let_destroy();
  settle();
  EXPECT_THAT(order, ElementsAre("q"));
  factory.let_destroy();
  settle();
  EXPECT_THAT(order, ElementsAre("q", "n4"));
}

TEST_F(Turns, WhatIsWithinAShareIsNotTakenWhileItIsInUse) {
  options.memory_bytes = 1024 * kMb;
  options.pause_grace = 1h;
  start();
  TestWaiter& quiet = ask(test::make_action("q"), "quiet");
  finish(quiet);
  for (int i = 0; i < 40; ++i) ask(test::make_action("n" + std::to_string(i)), "noisy");
  for (int round = 0; round < 20; ++round) {
    tick(1s);
    for (auto& one : waiters) {
      if (one->served() && one->user->namespace_name == "noisy") {
        finish(*one);
        break;
      }
    }
    TestWaiter& again = ask(test::make_action("q"), "quiet");
    ASSERT_TRUE(again.served()) << round;
    EXPECT_EQ(again.lease.kind(), StartKind::kWarm) << round;
    finish(again);
  }
  // When it is used no more, others get it.
  const std::size_t before = factory.created.size();
  tick(options.share_window + 1s);
  EXPECT_GT(factory.created.size(), before);
  EXPECT_EQ(ask(test::make_action("q2"), "quiet").served(), false);
}

TEST_F(Turns, WhoIsAloneUsesEverything) {
  options.memory_bytes = 1024 * kMb;
  start();
  for (int i = 0; i < 4; ++i) ask(test::make_action("n" + std::to_string(i)), "noisy");
  EXPECT_EQ(factory.created.size(), 4u);
  for (auto& one : waiters) EXPECT_TRUE(one->served());
}

TEST_F(Turns, AFullQueueStillTakesFromThoseBelowTheirShareOfIt) {
  options.memory_bytes = 256 * kMb;
  options.max_queue = 10;
  start();
  ask(test::make_action("n"), "noisy");
  for (int i = 0; i < 10; ++i) ask(test::make_action("n"), "noisy");
  TestWaiter& more = waiter(test::make_action("n"), "noisy");
  const Status refused = pool->acquire(more);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  for (int i = 0; i < 5; ++i) ask(test::make_action("q"), "quiet");
  TestWaiter& sixth = waiter(test::make_action("q"), "quiet");
  EXPECT_EQ(pool->acquire(sixth).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(pool->stats().queue, 15u);
  EXPECT_EQ(pool->stats().tenants, 2u);
}

TEST_F(Turns, HowLongToWaitFollowsTheQueue) {
  options.memory_bytes = 256 * kMb;
  start();
  EXPECT_EQ(pool->retry_after(), 1s);
  for (int i = 0; i < 41; ++i) ask("a");
  EXPECT_EQ(pool->retry_after(), 10s) << "nothing has moved yet";
  std::size_t next = 0;
  for (int second = 0; second < 20; ++second) {
    finish(*waiters[next++]);
    tick(1s);
  }
  EXPECT_GE(pool->retry_after(), 15s);
  EXPECT_LE(pool->retry_after(), 30s);
}

TEST_F(Turns, NamespacesAreForgotten) {
  start();
  for (int i = 0; i < 100; ++i) {
    finish(ask(test::make_action("a"), "space" + std::to_string(i)));
  }
  EXPECT_LE(pool->stats().tenants, 4u);
  tick(options.idle_timeout);
  EXPECT_EQ(pool->stats().tenants, 0u);
}

// Starts take half a second here, and each activation 100 ms.
class Worth : public testing::Test {
 protected:
  Worth() { options.memory_bytes = 4 * 256 * kMb; }
  // So many activations of an action at once; returns how many containers were started for them.
  std::size_t started_for(int count) {
    const entity::RuntimesManifest manifest = test::make_manifest();
    const entity::Identity user = test::make_identity("guest");
    test::SimulatedPool house(manifest, options);
    const auto run = [&](const char* name, int times) {
      for (int i = 0; i < times; ++i) {
        EXPECT_TRUE(house.submit(test::make_action(name), user, 100ms,
                                 [this](const test::SimulatedPool::Job&) { ++done; }));
      }
    };
    // Four warm containers, two of them of `a`.
    run("a", 2);
    run("b", 1);
    run("c", 1);
    house.world.run_for(2s);
    const std::size_t before = house.factory.created;
    done = 0;
    run("a", count);
    house.world.run_for(60s);
    EXPECT_EQ(done, count);
    return house.factory.created - before;
  }
  PoolOptions options;
  int done = 0;
};

TEST_F(Worth, AShortBacklogDisplacesNobody) {
  EXPECT_EQ(started_for(8), 0u);
}

TEST_F(Worth, ALongBacklogIsWorthAStart) {
  EXPECT_EQ(started_for(100), 2u);
}

// A hundred actions that fit, from ten namespaces, more and less often invoked, each by whoever was
// just answered: once they have settled hardly any container is started.
TEST(Thrash, ManyActionsDoNotTurnWorkIntoStarts) {
  constexpr std::size_t kActions = 100;
  const entity::RuntimesManifest manifest = test::make_manifest();
  PoolOptions options;
  options.memory_bytes = 128 * 256 * kMb;
  std::vector<entity::Identity> users;
  std::vector<entity::ActionPtr> actions;
  std::vector<double> weights;
  for (std::size_t i = 0; i < kActions; ++i) {
    if (i < 10) users.push_back(test::make_identity("space" + std::to_string(i)));
    actions.push_back(test::make_action("a" + std::to_string(i)));
    weights.push_back(1.0 / static_cast<double>(i + 1));
  }
  std::mt19937 random(1);
  std::discrete_distribution<std::size_t> pick(weights.begin(), weights.end());
  std::size_t done = 0;
  std::function<void()> next;
  test::SimulatedPool house(manifest, options);
  house.factory.start_time = 200ms;
  next = [&] {
    const std::size_t number = pick(random);
    house.submit(actions[number], users[number % users.size()], 50ms,
                 [&](const test::SimulatedPool::Job&) {
                   ++done;
                   next();
                 });
  };
  for (int client = 0; client < 64; ++client) next();
  house.world.run_for(30s);
  const std::size_t created = house.factory.created;
  done = 0;
  house.world.run_for(30s);
  // 64 clients that never wait would be at 38,400.
  EXPECT_GT(done, 38'400u / 2);
  EXPECT_LT(house.factory.created - created, done / 50);
  next = [] {};
}

// One namespace asks now and then, another one all the time and with far more than there is.
class Noise {
 public:
  Noise() {
    options.memory_bytes = 10 * 256 * kMb;
    options.max_queue = 1000;
  }

  // The whole times of the quiet namespace's activations, sorted.
  std::vector<std::chrono::milliseconds> quiet(bool noise, bool new_actions) {
    const entity::RuntimesManifest manifest = test::make_manifest();
    const entity::Identity loud = test::make_identity("loud");
    const entity::Identity calm = test::make_identity("calm");
    test::SimulatedPool house(manifest, options);
    std::vector<entity::ActionPtr> actions;
    for (int i = 0; i < 20; ++i) actions.push_back(test::make_action("n" + std::to_string(i)));
    std::size_t next = 0;
    // Each of its activations is followed by another one of some action.
    std::function<void()> more = [&] {
      const auto action = actions[next++ % actions.size()];
      house.submit(action, loud, 100ms, [&](const test::SimulatedPool::Job&) { more(); });
    };
    if (noise) {
      for (int i = 0; i < 200; ++i) more();
    }
    std::vector<std::chrono::milliseconds> times;
    for (int second = 0; second < 200; ++second) {
      house.world.after(second * 1s, [&, second] {
        const std::string name = new_actions ? "q" + std::to_string(second) : "q";
        EXPECT_TRUE(house.submit(
            test::make_action(name), calm, 100ms,
            [&](const test::SimulatedPool::Job& job) { times.push_back(job.whole()); }));
      });
    }
    house.world.run_for(230s);
    EXPECT_EQ(times.size(), 200u) << "none is lost";
    more = [] {};
    std::sort(times.begin(), times.end());
    return times;
  }

  PoolOptions options;
};

TEST(Fairness, ANoisyNamespaceDoesNotSlowAWarmAction) {
  const auto alone = Noise().quiet(false, false);
  const auto beside = Noise().quiet(true, false);
  const std::size_t p99 = alone.size() * 99 / 100 - 1;
  EXPECT_EQ(alone[p99], 100ms);
  EXPECT_LE(beside[p99], 3 * alone[p99]);
}

TEST(Fairness, ANoisyNamespaceDoesNotSlowColdStartsMuch) {
  const auto alone = Noise().quiet(false, true);
  const auto beside = Noise().quiet(true, true);
  const std::size_t p99 = alone.size() * 99 / 100 - 1;
  EXPECT_EQ(alone[p99], 700ms) << "removal of an old one, start, init and run";
  EXPECT_LE(beside[p99], 3 * alone[p99]);
}

}  // namespace
}  // namespace berth::container
