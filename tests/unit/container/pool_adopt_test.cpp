// SPDX-License-Identifier: Apache-2.0
// One berthd after another: which containers of the first the second one goes on using.
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>

#include "base/ids.hpp"
#include "unit/container/pool_fixture.hpp"

namespace berth::container {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Adopt : public PoolTest {
 protected:
  Adopt() {
    std::filesystem::create_directory(directory);
    options.owner = "us";
    open_ledger();
  }
  ~Adopt() override {
    // The ledger goes before what the fixture below us holds.
    waiters.clear();
    if (pool) pool->close();
    pool.reset();
    std::filesystem::remove_all(directory);
  }

  void open_ledger() {
    held.reset();
    auto opened = Ledger::open(directory / "ledger");
    ASSERT_TRUE(opened);
    held = std::move(*opened);
    ledger = held.get();
  }

  // The next berthd, over the same containers.
  void restart(
      const std::string& stem_cells = "[]", const std::function<void()>& meanwhile = [] {}) {
    waiters.clear();
    pool->close();
    pool.reset();
    settle();
    held.reset();
    meanwhile();
    open_ledger();
    factory.leftovers.clear();
    for (const auto& [id, box] : factory.boxes) {
      plugin::ContainerInfo info;
      info.id = id;
      info.name = box->request.name;
      info.address = "unix:/nowhere/" + id;
      info.labels = box->request.labels;
      info.state = box->ended    ? plugin::ContainerState::kDead
                   : box->paused ? plugin::ContainerState::kPaused
                                 : plugin::ContainerState::kRunning;
      factory.leftovers.push_back(info);
    }
    factory.created.clear();
    factory.destroyed.clear();
    start(stem_cells);
  }

  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("berth-adopt-" + random_hex(6));
  std::unique_ptr<Ledger> held;
};

TEST_F(Adopt, AWarmContainerStaysWarm) {
  start();
  const std::string id = warm("a");
  restart();
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(used_mb(), 256u);
  TestWaiter& next = ask("a");
  ASSERT_TRUE(next.served());
  EXPECT_EQ(next.lease.kind(), StartKind::kWarm);
  EXPECT_FALSE(next.lease.needs_init());
  EXPECT_EQ(next.lease.container_id(), id);
  EXPECT_EQ(next.lease.container_name(), "berth-test-1");
  EXPECT_TRUE(next.lease.sentinelled());
  EXPECT_THAT(factory.created, IsEmpty());
  EXPECT_THAT(factory.destroyed, IsEmpty());
  // Another revision, namespace or action is none.
  EXPECT_EQ(ask(test::make_action("a", 256, 2)).lease.kind(), StartKind::kCold);
  EXPECT_NE(factory.created[0].name, "berth-test-1") << "names are not used again";
}

TEST_F(Adopt, OneThatWasGivenMoreMemoryHasItAfterwards) {
  factory.resizable = true;
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  const std::string id = warm("a", 512);
  ASSERT_EQ(factory.resizes, 1u);
  restart();
  TestWaiter& next = ask("a", 512);
  EXPECT_EQ(next.lease.kind(), StartKind::kWarm);
  EXPECT_EQ(next.lease.container_id(), id);
}

TEST_F(Adopt, WhatWasBeingResizedIsNot) {
  factory.resizable = true;
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  factory.hold_resizes = true;
  ask("a", 512);
  ASSERT_EQ(count(State::kResizing), 1u);
  restart();
  EXPECT_THAT(factory.destroyed, testing::Contains("id-1")) << "nobody knows what limit it has";
  factory.let_resize();
  settle();
}

TEST_F(Adopt, AHundredWarmContainersAreNoColdStart) {
  options.memory_bytes = 100 * 256 * kMb;
  start();
  for (int i = 0; i < 100; ++i) warm("a" + std::to_string(i));
  ASSERT_EQ(factory.boxes.size(), 100u);
  restart();
  EXPECT_EQ(count(State::kReady), 100u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(ask("a" + std::to_string(i)).lease.kind(), StartKind::kWarm);
  }
  EXPECT_THAT(factory.created, IsEmpty());
  EXPECT_THAT(factory.destroyed, IsEmpty());
}

TEST_F(Adopt, AgainAndAgain) {
  start();
  const std::string id = warm("a");
  for (int i = 0; i < 3; ++i) {
    restart();
    TestWaiter& next = ask("a");
    EXPECT_EQ(next.lease.container_id(), id);
    finish(next);
  }
  EXPECT_THAT(factory.destroyed, IsEmpty());
}

TEST_F(Adopt, APausedOneIsResumed) {
  start();
  const std::string id = warm("a");
  tick(options.pause_grace);
  ASSERT_EQ(count(State::kPaused), 1u);
  restart();
  EXPECT_EQ(count(State::kPaused), 1u);
  TestWaiter& next = ask("a");
  ASSERT_TRUE(next.served());
  EXPECT_EQ(next.lease.container_id(), id);
  EXPECT_EQ(factory.resumes, 1u);
}

TEST_F(Adopt, PrewarmedOnesAreStock) {
  const std::string cells = R"([{"initialCount":2,"memory":"256 MB"}])";
  start(cells);
  restart(cells);
  EXPECT_EQ(count(State::kPrewarmed), 2u);
  EXPECT_THAT(factory.created, IsEmpty());
  EXPECT_EQ(ask("a").lease.kind(), StartKind::kPrewarmed);
}

TEST_F(Adopt, OneAtWorkIsRemoved) {
  start();
  TestWaiter& running = ask("a");
  running.lease.initialised();
  const std::string id = running.lease.container_id();
  const std::string at_rest = warm("b");
  // As a kill leaves it: nothing of what follows reaches the ledger.
  std::filesystem::copy_file(directory / "ledger", directory / "copy");
  waiters.clear();
  settle();
  factory.leftovers.clear();
  pool->close();
  pool.reset();
  std::filesystem::rename(directory / "copy", directory / "ledger");
  open_ledger();
  for (const std::string& left : {id, at_rest}) {
    plugin::ContainerInfo info;
    info.id = left;
    info.name = "berth-test-" + left;
    info.address = "unix:/nowhere/" + left;
    info.labels = {{"owner", "us"}};
    factory.leftovers.push_back(info);
  }
  factory.destroyed.clear();
  start();
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(used_mb(), 256u);
}

TEST_F(Adopt, WhatNobodyKnowsIsRemoved) {
  start();
  const std::string known = warm("a");
  const std::string unknown = warm("b");
  restart("[]", [&] {
    auto opened = Ledger::open(directory / "ledger");
    ASSERT_TRUE(opened);
    for (const Ledger::Left& left : (*opened)->take_left()) {
      if (left.entry.id == unknown) (*opened)->remove(left.slot);
    }
  });
  EXPECT_THAT(factory.destroyed, ElementsAre(unknown));
  EXPECT_EQ(count(State::kReady), 1u);
}

TEST_F(Adopt, WhatIsInTheLedgerOnlyIsForgotten) {
  start();
  const std::string id = warm("a");
  factory.boxes.clear();
  restart();
  EXPECT_EQ(used_mb(), 0u);
  restart();
  EXPECT_THAT(held->take_left(), IsEmpty());
}

TEST_F(Adopt, ContainersOfAnotherOwnerAreLetAlone) {
  start();
  warm("a");
  const std::string theirs = warm("b");
  factory.boxes.at(theirs)->request.labels = {{"owner", "them"}};
  restart();
  EXPECT_THAT(factory.destroyed, IsEmpty());
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(factory.boxes.count(theirs), 1u);
  EXPECT_EQ(ask("b").lease.kind(), StartKind::kCold);
  EXPECT_NE(factory.created[0].name, "berth-test-1");
  EXPECT_NE(factory.created[0].name, "berth-test-2") << "their names are not used either";
}

TEST_F(Adopt, WhatWasCreatedWithOtherSettingsIsRemoved) {
  start();
  const std::string id = warm("a");
  options.environment = {{"__OW_API_HOST", "elsewhere"}};
  restart();
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
}

TEST_F(Adopt, WhatEndedMeanwhileIsRemoved) {
  start();
  const std::string id = warm("a");
  factory.boxes.at(id)->ended = true;
  restart();
  EXPECT_THAT(factory.destroyed, ElementsAre(id));
  EXPECT_EQ(used_mb(), 0u);
}

TEST_F(Adopt, WhatDoesNotFitAnyMoreIsRemovedAndCountsUntilItIsGone) {
  start();
  warm("a", 512);
  warm("b", 512);
  options.memory_bytes = 768 * kMb;
  factory.hold_destroys = true;
  restart();
  EXPECT_EQ(count(State::kReady), 1u);
  EXPECT_EQ(count(State::kRemoving), 1u);
  EXPECT_EQ(used_mb(), 1024u);
  factory.hold_destroys = false;
  factory.let_destroy();
  settle();
  EXPECT_EQ(used_mb(), 512u);
}

TEST_F(Adopt, TheirOutputIsPassedOverBeforeTheyAreUsed) {
  start();
  const std::string id = warm("a");
  waiters.clear();
  pool->close();
  pool.reset();
  open_ledger();
  plugin::ContainerInfo info;
  info.id = id;
  info.name = "berth-test-1";
  info.address = "unix:/nowhere/x";
  factory.leftovers = {info};
  pool = ContainerPool::make({io, clock, metrics, factory, manifest, ledger}, options);
  std::vector<std::string> told;
  boost::asio::steady_timer gate(io, SteadyTime::max());
  pool->on_adopted([&](std::vector<std::string> ids) -> boost::asio::awaitable<void> {
    told = std::move(ids);
    boost::system::error_code ignored;
    co_await gate.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  });
  bool started = false;
  boost::asio::co_spawn(io, pool->start({}),
                        [&](std::exception_ptr, const Status&) { started = true; });
  settle();
  EXPECT_THAT(told, ElementsAre(id));
  EXPECT_FALSE(started);
  gate.cancel();
  settle();
  EXPECT_TRUE(started);
}

}  // namespace
}  // namespace berth::container
