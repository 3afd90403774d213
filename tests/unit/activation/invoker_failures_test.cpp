// SPDX-License-Identifier: Apache-2.0
// Activations that do not go as they should: exactly one outcome and one record each.
#include <gmock/gmock.h>

#include "unit/activation/invoker_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kExited =
    R"({"error":"The action did not produce a valid response and exited unexpectedly."})";
constexpr const char* kNoInit =
    R"({"error":"The action did not initialize and exited unexpectedly."})";
constexpr const char* kOutOfMemory =
    R"({"error":"The action exhausted its memory: limit 256 MB."})";
constexpr const char* kDeveloper =
    "err The action did not initialize or run as expected. Log data might be missing.";

entity::ActionPtr quick(const std::string& name, std::int64_t timeout_ms) {
  auto action = std::make_shared<entity::Action>(*test::make_action(name));
  action->limits.timeout_ms = timeout_ms;
  return action;
}

TEST_F(InvokerTest, AFailedRunRemovesTheContainerAfterItsLogsAreRead) {
  start();
  on_run = [this](const std::string& id) {
    factory.print(id, Stream::kStderr, "Traceback");
    return Answer{.status = 502, .body = R"({"error":"boom"})"};
  };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, R"({"error":"boom"})");
  ASSERT_TRUE(wait_logs("one"));
  EXPECT_THAT(logs.lines("one"), ElementsAre("err Traceback", kDeveloper));
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
  run("two");
  EXPECT_EQ(factory.created.size(), 2u);
}

TEST_F(InvokerTest, AFailedInit) {
  start();
  on_init = [this](const std::string& id) {
    factory.print(id, Stream::kStderr, "invalid syntax");
    factory.print_sentinels(id);
    return Answer{.status = 502, .body = R"({"error":"Initialization has failed"})"};
  };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, R"({"error":"Initialization has failed"})");
  EXPECT_EQ(one.end_ms - one.start_ms, one.duration_ms);
  EXPECT_TRUE(annotation(one, "initTime").is_int64());
  ASSERT_TRUE(wait_logs("one"));
  EXPECT_THAT(logs.lines("one"), ElementsAre("err invalid syntax", kDeveloper));
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
  EXPECT_THAT(requests, ElementsAre("/init"));
}

TEST_F(InvokerTest, ATimeoutOfRun) {
  start();
  on_run = [](const std::string&) { return Answer{.hang = true}; };
  print_sentinels = false;
  ASSERT_TRUE(invoke(make("one", quick("slow", 120))).ok());
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].outcome, Outcome::kDeveloperError);
  EXPECT_EQ(replied["one"].result,
            R"({"error":"The action exceeded its time limits of 120 milliseconds."})");
  EXPECT_EQ(annotation(replied["one"], "timeout"), true);
  EXPECT_GE(replied["one"].duration_ms, 120);
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
}

TEST_F(InvokerTest, ATimeoutOfInit) {
  start();
  on_init = [](const std::string&) { return Answer{.hang = true}; };
  ASSERT_TRUE(invoke(make("one", quick("slow", 120))).ok());
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(
      replied["one"].result,
      R"({"error":"The action exceeded its time limits of 120 milliseconds during initialization."})");
  EXPECT_EQ(annotation(replied["one"], "timeout"), true);
}

TEST_F(InvokerTest, AResponseThatIsTooLong) {
  options.pool.max_response_bytes = 1000;
  start();
  on_run = [](const std::string&) {
    return Answer{.body = "{\"a\":\"" + std::string(2000, 'x') + "\"}"};
  };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kApplicationError);
  EXPECT_NE(one.result.find("exceeded the allowed length: 2008 > 1000 bytes"), std::string::npos);
}

TEST_F(InvokerTest, ADeathInInit) {
  start();
  on_init = [this](const std::string& id) {
    factory.die(id);
    return Answer{.hang_up = true};
  };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, kNoInit);
}

TEST_F(InvokerTest, ADeathInInitForWantOfMemory) {
  start();
  on_init = [this](const std::string& id) {
    factory.die(id, 137, true);
    return Answer{.hang_up = true};
  };
  EXPECT_EQ(run("one").result, kOutOfMemory);
}

TEST_F(InvokerTest, ADeathBetweenInitAndRun) {
  start();
  on_init = [](const std::string&) { return Answer{.then_refuse = true}; };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, kExited);
  EXPECT_EQ(factory.created.size(), 1u) << "another container would only die as well";
}

TEST_F(InvokerTest, ADeathInRun) {
  start();
  on_run = [this](const std::string& id) {
    factory.print(id, Stream::kStdout, "bye");
    factory.die(id, 3);
    return Answer{.hang_up = true};
  };
  print_sentinels = false;
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, kExited);
  ASSERT_TRUE(wait_logs("one"));
  EXPECT_THAT(logs.lines("one"), ElementsAre("out bye", kDeveloper));
}

TEST_F(InvokerTest, ABrokenConnectionWithoutADeath) {
  start();
  on_run = [](const std::string&) { return Answer{.hang_up = true}; };
  EXPECT_EQ(run("one").result, kExited);
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
}

TEST_F(InvokerTest, TheWordOfAnOutOfMemoryDeathMayComeAfterTheBrokenConnection) {
  options.death_wait = 20s;
  start();
  std::string dying;
  on_run = [&](const std::string& id) {
    dying = id;
    return Answer{.hang_up = true};
  };
  ASSERT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return !dying.empty(); }));
  run_for(30ms);
  EXPECT_EQ(replies["one"], 0);
  factory.die(dying, 137, true);
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].result, kOutOfMemory);
}

TEST_F(InvokerTest, ADeathEndsARunWhoseSocketOutlivesTheProcess) {
  options.pool.last_answer = 20ms;
  start();
  std::string running;
  on_run = [&](const std::string& id) {
    running = id;
    return Answer{.hang = true};
  };
  ASSERT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return !running.empty(); }));
  factory.on_died({running, 139, false, "test"});
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].result, kExited);
}

TEST_F(InvokerTest, AnAnswerCountsAlsoWhenTheDeathIsHeardOfFirst) {
  options.pool.last_answer = 30s;
  start();
  on_run = [&](const std::string& id) {
    factory.on_died({id, 0, false, "test"});
    return Answer{.body = R"({"last":"words"})", .delay = 20ms, .then_close = true};
  };
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kSuccess);
  EXPECT_EQ(one.result, R"({"last":"words"})");
  EXPECT_EQ(run("two").outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.created.size(), 2u) << "the dead one is not used again";
}

TEST_F(InvokerTest, ADeathAfterRunCostsTheContainerOnly) {
  start();
  std::string id;
  on_run = [&](const std::string& running) {
    id = running;
    return Answer{};
  };
  EXPECT_EQ(run("one").outcome, Outcome::kSuccess);
  factory.die(id);
  EXPECT_EQ(run("two").outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.created.size(), 2u);
}

TEST_F(InvokerTest, AWarmContainerThatListensNoMoreCostsAnotherTry) {
  start();
  std::string id;
  on_run = [&](const std::string& running) {
    id = running;
    return Answer{};
  };
  run("one");
  const std::string first = id;
  factory.boxes.at(first)->proxy->stop_listening();
  const entity::Activation& two = run("two");
  EXPECT_EQ(two.outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.created.size(), 2u);
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
  EXPECT_THAT(factory.destroyed, ElementsAre(first));
  EXPECT_EQ(replies["two"], 1);
  EXPECT_EQ(records.records.size(), 2u);
}

TEST_F(InvokerTest, APrewarmedContainerThatListensNoMoreCostsAnotherTry) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  ASSERT_TRUE(test::run_until(io, [&] { return invoker->pool().stats().stock_bytes > 0; }));
  factory.boxes.at("id-1")->proxy->stop_listening();
  EXPECT_EQ(run("one").outcome, Outcome::kSuccess);
  EXPECT_EQ(replies["one"], 1);
}

TEST_F(InvokerTest, AContainerThatIsNotThereAfterItsResumeCostsAnotherTry) {
  options.pool.pause_grace = 5ms;
  start();
  run("one");
  const auto paused = static_cast<std::size_t>(container::State::kPaused);
  ASSERT_TRUE(test::run_until(io, [&] { return invoker->pool().stats().containers[paused] == 1; }));
  factory.boxes.at("id-1")->proxy->stop_listening();
  EXPECT_EQ(run("two").outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.resumes, 1u);
  EXPECT_EQ(factory.created.size(), 2u);
  EXPECT_EQ(replies["two"], 1);
}

TEST_F(InvokerTest, AnActivationWaitsForAnEngineThatIsAway) {
  start();
  for (int i = 0; i < 6; ++i) factory.create_failures.push_back(sdk::unavailable("engine is away"));
  EXPECT_EQ(run("one").outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.created.size(), 7u);
  EXPECT_EQ(records.records.size(), 1u);
}

TEST_F(InvokerTest, TriesAreBounded) {
  options.max_reschedules = 2;
  start(R"([{"initialCount":4,"memory":"256 MB"}])");
  ASSERT_TRUE(test::run_until(
      io, [&] { return invoker->pool().stats().stock_bytes == 1024ull * 1024 * 1024; }));
  for (auto& [id, box] : factory.boxes) box->proxy->stop_listening();
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(one.result, kNoInit);
  EXPECT_THAT(requests, IsEmpty());
}

TEST_F(InvokerTest, AProxyThatIsShuttingDownCostsAnotherTry) {
  start();
  int runs = 0;
  on_run = [&](const std::string&) { return Answer{.status = ++runs == 1 ? 503 : 200}; };
  EXPECT_EQ(run("one").outcome, Outcome::kSuccess);
  EXPECT_EQ(factory.created.size(), 2u);
}

TEST_F(InvokerTest, ARunThatMayHaveBegunIsNeverSentAgain) {
  start();
  run("one");
  int runs = 0;
  on_run = [&](const std::string&) {
    ++runs;
    return Answer{.hang_up = true};
  };
  EXPECT_EQ(run("two").result, kExited);
  EXPECT_EQ(runs, 1);
}

TEST_F(InvokerTest, ContainersThatCannotBeMade) {
  start();
  factory.create_failures = {sdk::internal("no engine")};
  const entity::Activation& one = run("one");
  EXPECT_EQ(one.outcome, Outcome::kWhiskError);
  EXPECT_EQ(one.result, R"({"error":"Failed to provision resources to run the action."})");
  EXPECT_EQ(one.start_ms, one.end_ms);
  EXPECT_EQ(one.duration_ms, 0);
  EXPECT_EQ(annotation(one, "initTime"), "(none)");
  EXPECT_EQ(records.records.size(), 1u);
  EXPECT_EQ(outcomes("whisk_internal_error"), 1);
}

TEST_F(InvokerTest, ImagesThatCannotBePulled) {
  start();
  auto action = std::make_shared<entity::Action>(*test::make_action("own", 256, 1, "blackbox"));
  action->exec.image = "me/mine:2";
  factory.create_failures = {Status(StatusCode::kNotFound, "no such image", sdk::kUserError)};
  ASSERT_TRUE(invoke(make("one", action)).ok());
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].outcome, Outcome::kDeveloperError);
  EXPECT_EQ(replied["one"].result,
            R"({"error":"Failed to pull container image 'me/mine:2': no such image"})");
}

TEST_F(InvokerTest, AKindThatTheManifestHasNoMore) {
  start();
  ASSERT_TRUE(invoke(make("one", test::make_action("old", 256, 1, "cobol:68"))).ok());
  ASSERT_TRUE(wait("one"));
  EXPECT_EQ(replied["one"].outcome, Outcome::kWhiskError);
}

TEST_F(InvokerTest, WhatCannotBeAcceptedHasNoRecord) {
  options.pool.memory_bytes = 256ull * 1024 * 1024;
  options.pool.max_queue = 1;
  start();
  on_run = [](const std::string&) { return Answer{.hang = true}; };
  EXPECT_EQ(invoke(make("big", test::make_action("big", 512))).code(),
            StatusCode::kResourceExhausted);
  EXPECT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return requests.size() == 2; }));
  EXPECT_TRUE(invoke("two").ok());
  EXPECT_EQ(invoke("three").code(), StatusCode::kResourceExhausted);
  run_for(10ms);
  EXPECT_EQ(replies.count("big"), 0u);
  EXPECT_THAT(records.records, IsEmpty());
}

TEST_F(InvokerTest, ARuntimeThatPromisesSentinelsAndPrintsNoneLosesItsContainer) {
  options.logs.sentinel_wait = 50ms;
  start();
  print_sentinels = false;
  run("one");
  ASSERT_TRUE(wait_logs("one"));
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }));
}

TEST_F(InvokerTest, ShutDownWaitsForWhatRuns) {
  start();
  on_run = [this](const std::string& id) {
    factory.print(id, Stream::kStdout, "done");
    return Answer{.delay = 60ms};
  };
  ASSERT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return requests.size() == 2; }));
  ASSERT_TRUE(shut_down(20s));
  EXPECT_EQ(replied["one"].outcome, Outcome::kSuccess);
  EXPECT_NE(records.find("one"), nullptr);
  EXPECT_THAT(logs.lines("one"), ElementsAre("out done"));
  EXPECT_EQ(records.flushes, 1u);
  EXPECT_EQ(invoke("two").code(), StatusCode::kUnavailable);
}

TEST_F(InvokerTest, ShutDownRecordsTheRestAsInterrupted) {
  options.pool.memory_bytes = 256ull * 1024 * 1024;
  start();
  on_run = [this](const std::string& id) {
    factory.print(id, Stream::kStdout, "begun");
    return Answer{.hang = true};
  };
  print_sentinels = false;
  ASSERT_TRUE(invoke("running").ok());
  ASSERT_TRUE(invoke("waiting").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return requests.size() == 2; }));
  ASSERT_TRUE(shut_down(30ms));
  for (const char* id : {"running", "waiting"}) {
    EXPECT_EQ(replies[id], 1) << id;
    EXPECT_EQ(replied[id].outcome, Outcome::kWhiskError) << id;
    EXPECT_EQ(replied[id].result,
              R"({"error":"The activation was interrupted because Berth is shutting down."})");
    EXPECT_NE(records.find(id), nullptr) << id;
  }
  EXPECT_GE(replied["running"].duration_ms, 0);
  EXPECT_THAT(logs.lines("running"), ElementsAre("out begun"));
  EXPECT_EQ(records.records.size(), 2u);
  ASSERT_TRUE(test::run_until(io, [&] { return factory.destroyed.size() == 1; }))
      << "nobody adopts a container in the middle of a run";
}

TEST_F(InvokerTest, ShutDownWithNothingToDo) {
  start();
  ASSERT_TRUE(shut_down(20s));
}

TEST_F(InvokerTest, DestroyedInTheMiddle) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  on_run = [](const std::string&) { return Answer{.hang = true}; };
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(invoke("i" + std::to_string(i)).ok());
  run_for(20ms);
  invoker.reset();
  test::settle(io);
  EXPECT_TRUE(replies.empty());
}

}  // namespace
}  // namespace berth::activation
