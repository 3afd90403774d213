// SPDX-License-Identifier: Apache-2.0
// What is accepted without a waiting caller: on disk before it is told, marked before it is sent,
// run or recorded by the next start.
#include "activation/durable_invoker.hpp"

#include <algorithm>
#include <gmock/gmock.h>

#include "unit/activation/fake_work.hpp"
#include "unit/activation/invoker_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DurableTest : public InvokerTest {
 protected:
  void SetUp() override {
    work_store = &rows;
    namespaces.known["guest"] = test::make_identity("guest");
    actions.actions["guest/hello"] = test::make_action("hello");
    start();
    durable = std::make_unique<DurableInvoker>(
        DurableDependencies{io, clock, metrics, *invoker, rows, records, actions, namespaces},
        durable_options);
  }
  void TearDown() override { durable.reset(); }
  // Before restart().
  void one_container() { options.pool.memory_bytes = 256ull * 1024 * 1024; }
  void restart() {
    durable.reset();
    invoker.reset();
    SetUp();
  }

  void submit(const std::string& id, bool blocking = false) {
    durable->submit(
        make(id, test::make_action("hello"), blocking),
        [this, id](const Status& status) {
          EXPECT_EQ(accepted.count(id), 0u) << "answered twice";
          accepted[id] = status;
        },
        [this, id](const entity::Activation& outcome) {
          ++replies[id];
          replied.insert_or_assign(id, outcome);
        });
  }
  bool wait_accepted(const std::string& id) {
    return test::run_until(io, [&] { return accepted.count(id) != 0; });
  }
  bool wait_record(const std::string& id) {
    return test::run_until(io, [&] { return records.find(id) != nullptr; });
  }
  store::Work left(std::int64_t sequence, const std::string& id, std::int64_t started_ms = 0) {
    store::Work work;
    work.sequence = sequence;
    work.activation_id = id;
    work.transaction_id = "t-" + id;
    work.namespace_name = "guest";
    work.namespace_uuid = "uuid-of-guest";
    work.subject = "guest";
    work.path = "guest/hello";
    work.received_ms = 1'000'000;
    work.started_ms = started_ms;
    work.arguments = R"({"name":"Left"})";
    return work;
  }
  void recover() {
    durable->recover();
    ASSERT_TRUE(test::run_until(io, [&] { return durable->recovered(); }));
  }
  std::size_t count(const std::string& id) const {
    return static_cast<std::size_t>(
        std::count_if(records.records.begin(), records.records.end(),
                      [&](const auto& record) { return record.activation_id == id; }));
  }

  DurableOptions durable_options{.max_recovering = 2, .retry = 1ms, .store_retry = 1ms};
  test::FakeWorkStore rows;
  test::FakeActions actions;
  test::FakeNamespaces namespaces;
  std::unique_ptr<DurableInvoker> durable;
  std::map<std::string, Status> accepted;
};

TEST_F(DurableTest, NothingIsToldOrSentBeforeItIsOnDisk) {
  rows.hold = true;
  submit("one");
  run_for(50ms);
  EXPECT_THAT(accepted, IsEmpty());
  EXPECT_THAT(requests, IsEmpty());
  rows.let_go();
  ASSERT_TRUE(wait_accepted("one"));
  EXPECT_TRUE(accepted["one"].ok());
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].outcome, Outcome::kSuccess);
  EXPECT_THAT(rows.events, ElementsAre("enqueue one", "start one"));
  EXPECT_EQ(rows.rows.at("one").path, "guest/hello");
  EXPECT_EQ(rows.rows.at("one").arguments, R"({"name":"Ann"})");
  EXPECT_NE(rows.rows.at("one").started_ms, 0);
}

TEST_F(DurableTest, ABlockingOneIsNotWrittenFirst) {
  rows.hold = true;
  submit("one", true);
  ASSERT_TRUE(wait("one"));
  EXPECT_TRUE(accepted["one"].ok());
  EXPECT_THAT(rows.events, IsEmpty());
}

TEST_F(DurableTest, ABlockingOneIsKeptAsStartedWhenItsCallerGoes) {
  on_run = [](const std::string&) { return Answer{.delay = 100ms}; };
  submit("one", true);
  ASSERT_TRUE(test::run_until(io, [&] { return requests.size() == 2; }));
  std::optional<Status> kept;
  durable->keep(left(0, "one"), [&](const Status& status) { kept = status; });
  ASSERT_TRUE(test::run_until(io, [&] { return kept.has_value(); }));
  EXPECT_TRUE(kept->ok());
  EXPECT_NE(rows.rows.at("one").started_ms, 0);
  ASSERT_TRUE(wait("one"));
}

TEST_F(DurableTest, AFullDiskRefusesAndNothingRuns) {
  rows.refusal = sdk::resource_exhausted("no room on the disk for /data/berth.db");
  submit("one");
  ASSERT_TRUE(wait_accepted("one"));
  EXPECT_EQ(accepted["one"].code(), StatusCode::kUnavailable);
  EXPECT_THAT(accepted["one"].message(), HasSubstr("no room"));
  EXPECT_THAT(accepted["one"].message(), testing::Not(HasSubstr("/data"))) << "not his business";
  ASSERT_TRUE(test::run_until(io, [&] { return invoker->running() == 0; }));
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_THAT(records.records, IsEmpty());
  rows.refusal = Status();
  submit("two");
  ASSERT_TRUE(wait("two"));
  EXPECT_EQ(replied["two"].outcome, Outcome::kSuccess);
  EXPECT_EQ(replies.count("one"), 0u);
}

TEST_F(DurableTest, WhatTheNextOneRefusesIsNeverWritten) {
  ASSERT_TRUE(shut_down(0ms));
  submit("one");
  ASSERT_TRUE(wait_accepted("one"));
  EXPECT_EQ(accepted["one"].code(), StatusCode::kUnavailable);
  EXPECT_THAT(rows.events, IsEmpty()) << "no crash can make it run";
}

TEST_F(DurableTest, AFullQueueRefusesWithoutAWrite) {
  one_container();
  options.pool.max_queue = 1;
  restart();
  on_run = [](const std::string&) { return Answer{.delay = 50ms}; };
  submit("one");
  ASSERT_TRUE(test::run_until(io, [&] { return invoker->pool().stats().queue == 0; }));
  for (const char* id : {"two", "three"}) submit(id);
  ASSERT_EQ(accepted.count("three"), 1u);
  EXPECT_EQ(accepted["three"].code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(rows.events, testing::Not(testing::Contains(HasSubstr("three"))));
}

TEST_F(DurableTest, WhatTheDiskRefusesLeavesItsPlaceInTheQueue) {
  one_container();
  restart();
  on_run = [](const std::string&) { return Answer{.delay = 50ms}; };
  submit("one");
  ASSERT_TRUE(test::run_until(io, [&] { return bodies.size() == 2; }));
  rows.refusal = sdk::resource_exhausted("no room on the disk");
  for (const char* id : {"two", "three"}) submit(id);
  ASSERT_TRUE(wait_accepted("two"));
  ASSERT_TRUE(wait_accepted("three"));
  EXPECT_EQ(invoker->pool().stats().queue, 0u);
  EXPECT_EQ(invoker->running(), 1u);
  ASSERT_TRUE(wait("one"));
  run_for(10ms);
  EXPECT_EQ(bodies.size(), 2u) << "init and run of the first only";
}

TEST_F(DurableTest, WhoeverCannotBeMarkedHoldsNoContainer) {
  one_container();
  options.mark_retry = 1ms;
  options.mark_retry_max = 4ms;
  restart();
  rows.mark_refusal = sdk::resource_exhausted("no room on the disk");
  for (const char* id : {"one", "two", "three"}) submit(id);
  // The only container is not initialised yet, and so nobody's.
  submit("blocking", true);
  ASSERT_TRUE(wait("blocking"));
  EXPECT_EQ(replied["blocking"].outcome, Outcome::kSuccess);
  submit("blocking too", true);
  ASSERT_TRUE(wait("blocking too"));
  EXPECT_EQ(factory.created.size(), 1u) << "it is given back as it was";
  for (const char* id : {"one", "two", "three"}) {
    EXPECT_TRUE(accepted[id].ok());
    EXPECT_EQ(count(id), 0u);
  }
  rows.mark_refusal = Status();
  for (const char* id : {"one", "two", "three"}) {
    ASSERT_TRUE(wait(id));
    EXPECT_EQ(count(id), 1u);
    EXPECT_EQ(replied[id].outcome, Outcome::kSuccess);
  }
  EXPECT_EQ(factory.created.size(), 1u);
}

TEST_F(DurableTest, AStopLeavesWhatCannotBeMarked) {
  rows.mark_refusal = sdk::resource_exhausted("no room on the disk");
  submit("one");
  ASSERT_TRUE(wait_accepted("one"));
  run_for(5ms);
  ASSERT_TRUE(shut_down(20s));
  EXPECT_EQ(invoker->running(), 0u);
  EXPECT_EQ(count("one"), 0u);
  EXPECT_EQ(rows.rows.at("one").started_ms, 0) << "the next start runs it";
}

TEST_F(DurableTest, ABlockingOneThatStillWaitsIsKeptAsOneToRun) {
  one_container();
  restart();
  on_run = [](const std::string&) { return Answer{.delay = 100ms}; };
  submit("first", true);
  submit("one", true);
  std::optional<Status> kept;
  durable->keep(left(0, "one"), [&](const Status& status) { kept = status; });
  ASSERT_TRUE(test::run_until(io, [&] { return kept.has_value(); }));
  EXPECT_TRUE(kept->ok());
  EXPECT_EQ(rows.rows.at("one").started_ms, 0);
  EXPECT_EQ(rows.rows.at("one").arguments, R"({"name":"Ann"})") << "what it was invoked with";
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(rows.events, ElementsAre("enqueue one", "start one")) << "marked before it is sent";
  EXPECT_NE(rows.rows.at("one").started_ms, 0);
}

TEST_F(DurableTest, WhereAFullDiskKeepsNothingTheCallerGetsTheOutcome) {
  one_container();
  durable_options.store_retry = 1ms;
  restart();
  on_run = [](const std::string&) { return Answer{.delay = 50ms}; };
  rows.refusal = sdk::resource_exhausted("no room on the disk");
  std::map<std::string, Status> kept;
  for (const char* id : {"one", "two"}) submit(id, true);
  ASSERT_TRUE(test::run_until(io, [&] { return bodies.size() == 2; }));
  for (const std::string id : {"one", "two"}) {
    durable->keep(left(0, id), [&, id](const Status& status) { kept[id] = status; });
  }
  ASSERT_TRUE(wait("one"));
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(kept, IsEmpty()) << "nobody is told that it is not done, for it is";
  EXPECT_EQ(replied["two"].outcome, Outcome::kSuccess);
  // With room there is a promise again.
  on_run = [](const std::string&) { return Answer{.delay = 200ms}; };
  submit("three", true);
  ASSERT_TRUE(test::run_until(io, [&] { return bodies.size() == 4; }));
  durable->keep(left(0, "three"), [&](const Status& status) { kept["three"] = status; });
  run_for(5ms);
  rows.refusal = Status();
  ASSERT_TRUE(test::run_until(io, [&] { return kept.count("three") != 0; }));
  EXPECT_TRUE(kept["three"].ok());
  EXPECT_NE(rows.rows.at("three").started_ms, 0);
  ASSERT_TRUE(wait("three"));
}

TEST_F(DurableTest, AStopLeavesWhatDidNotStart) {
  on_run = [](const std::string&) { return Answer{.delay = 50ms}; };
  one_container();
  restart();
  for (const char* id : {"one", "two", "three"}) submit(id);
  ASSERT_TRUE(test::run_until(io, [&] { return bodies.size() >= 2; }));
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now() + 20s),
                        [&](std::exception_ptr) { done = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_EQ(count("one"), 1u);
  EXPECT_EQ(replied["one"].outcome, Outcome::kSuccess) << "what runs ends in its grace";
  EXPECT_EQ(count("two") + count("three"), 0u);
  EXPECT_EQ(rows.rows.at("two").started_ms, 0);
  EXPECT_EQ(rows.rows.at("three").started_ms, 0);
  EXPECT_EQ(invoker->running(), 0u);
}

TEST_F(DurableTest, AStopWhileAMarkIsWrittenMarksNoOther) {
  on_run = [](const std::string&) { return Answer{.delay = 50ms}; };
  one_container();
  restart();
  for (const char* id : {"one", "two", "three"}) submit(id);
  ASSERT_TRUE(test::run_until(io, [&] { return count("one") == 1; }));
  // The container's next one asks for its mark, which waits for the disk.
  rows.hold = true;
  ASSERT_TRUE(test::run_until(
      io, [&] { return std::count(rows.events.begin(), rows.events.end(), "start two") == 1; }));
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now() + 20s),
                        [&](std::exception_ptr) { done = true; });
  run_for(20ms);
  rows.let_go();
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_EQ(count("two"), 1u) << "it was marked, so it must run";
  EXPECT_EQ(replied["two"].outcome, Outcome::kSuccess);
  EXPECT_EQ(count("three"), 0u);
  EXPECT_EQ(rows.rows.at("three").started_ms, 0);
}

TEST_F(DurableTest, WhatDidNotStartRunsAtTheNextStart) {
  for (int i = 1; i <= 8; ++i) rows.left.push_back(left(i, "left" + std::to_string(i)));
  recover();
  for (int i = 1; i <= 8; ++i) {
    const std::string id = "left" + std::to_string(i);
    ASSERT_TRUE(wait_record(id));
    EXPECT_EQ(count(id), 1u);
    const entity::Activation& record = *records.find(id);
    EXPECT_EQ(record.outcome, Outcome::kSuccess);
    EXPECT_EQ(record.namespace_name, "guest");
    EXPECT_EQ(record.path, "guest/hello");
    EXPECT_THAT(rows.events, testing::Contains("start " + id)) << "marked before it is sent";
  }
  EXPECT_THAT(bodies, testing::Contains(HasSubstr("Left")));
}

TEST_F(DurableTest, WhatHadStartedIsRecordedAsInterruptedAndNotRun) {
  rows.left.push_back(left(7, "broken", 2'000'000));
  recover();
  ASSERT_TRUE(wait_record("broken"));
  EXPECT_EQ(count("broken"), 1u);
  const entity::Activation& record = *records.find("broken");
  EXPECT_EQ(record.outcome, Outcome::kWhiskError);
  EXPECT_EQ(
      record.result,
      R"({"error":"The activation was interrupted because Berth stopped while it was running."})");
  EXPECT_EQ(record.start_ms, 2'000'000);
  EXPECT_EQ(annotation(record, "waitTime"), 1'000'000);
  EXPECT_EQ(annotation(record, "kind"), "python:3");
  EXPECT_THAT(requests, IsEmpty());
}

TEST_F(DurableTest, ADeletedActionAndAGoneNamespace) {
  rows.left = {left(1, "lost"), left(2, "foreign"), left(3, "broken", 5)};
  rows.left[1].namespace_uuid = "of an earlier namespace guest";
  actions.actions.clear();
  rows.left[0].path = "guest/pkg/gone";
  recover();
  ASSERT_TRUE(wait_record("lost"));
  EXPECT_EQ(records.find("lost")->outcome, Outcome::kApplicationError);
  EXPECT_EQ(records.find("lost")->result,
            R"({"error":"Action could not be found or may have been deleted."})");
  EXPECT_EQ(annotation(*records.find("lost"), "path"), "guest/pkg/gone");
  ASSERT_TRUE(wait_record("broken"));
  EXPECT_EQ(records.find("broken")->outcome, Outcome::kWhiskError);
  EXPECT_EQ(annotation(*records.find("broken"), "kind"), "unknown");
  EXPECT_EQ(count("foreign"), 0u);
  EXPECT_THAT(rows.events, ElementsAre("withdraw foreign"));
}

TEST_F(DurableTest, AnActionThatCannotBeReadEndsInARecord) {
  rows.left = {left(1, "damaged"), left(2, "later"), left(3, "fine")};
  rows.left[0].path = "guest/damaged";
  rows.left[1].path = "guest/later";
  actions.failures["guest/damaged"] = sdk::data_loss("its code is gone");
  actions.failures["guest/later"] = sdk::unavailable("cannot read the store");
  actions.actions["guest/later"] = test::make_action("later");
  recover();
  ASSERT_TRUE(wait_record("damaged"));
  EXPECT_EQ(records.find("damaged")->outcome, Outcome::kWhiskError);
  EXPECT_EQ(records.find("damaged")->result,
            R"({"error":"The action is damaged in the store and could not be run."})");
  for (const char* id : {"later", "fine"}) {
    ASSERT_TRUE(wait_record(id));
    EXPECT_EQ(records.find(id)->outcome, Outcome::kSuccess) << id;
    EXPECT_EQ(count(id), 1u);
  }
}

TEST_F(DurableTest, AContainerThatDiesWhileTheMarkIsWrittenCostsNothing) {
  submit("warm-up");
  ASSERT_TRUE(wait("warm-up"));
  rows.hold = true;
  submit("one");
  run_for(10ms);
  factory.die("id-1");
  run_for(20ms);
  rows.let_go();
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].outcome, Outcome::kSuccess);
  EXPECT_EQ(count("one"), 1u);
}

}  // namespace
}  // namespace berth::activation
