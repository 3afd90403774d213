// SPDX-License-Identifier: Apache-2.0
// Sequences: their steps, their records, their ends, and what a crash leaves.
#include "unit/activation/composer_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(ComposerTest, HandsEachResultToTheNextOne) {
  add("a");
  add("b", 256);
  add_sequence("s", {"a", "b"});
  answers("a", {R"({"from":"a"})"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kSuccess);
  EXPECT_EQ(reply.result, R"({"by":"/guest/b"})");
  EXPECT_THAT(arguments, ElementsAre(R"(a {"n":1})", R"(b {"from":"a"})"));
  const entity::Activation& a = record_of("a");
  const entity::Activation& b = record_of("b");
  EXPECT_THAT(reply.logs, ElementsAre(a.activation_id, b.activation_id));
  EXPECT_EQ(a.cause, kTop);
  EXPECT_EQ(annotation(a, "causedBy"), "sequence");
  EXPECT_EQ(reply.cause, "");
  EXPECT_EQ(reply.duration_ms, a.duration_ms + b.duration_ms);
  EXPECT_EQ(annotation(reply, "kind"), "sequence");
  EXPECT_EQ(annotation(reply, "topmost"), true);
  EXPECT_EQ(annotation(reply, "path"), "guest/s");
  EXPECT_EQ(annotation(reply, "causedBy"), "(none)");
  EXPECT_EQ(annotation(reply, "conductor"), "(none)");
  EXPECT_EQ(annotation(reply, "limits").at("memory"), 256);
  EXPECT_EQ(records.records.size(), 3u);
  EXPECT_EQ(composer->flows(), 0u);
}

TEST_F(ComposerTest, OneContainerServesTheSameActionTwice) {
  add("a");
  add_sequence("s", {"a", "a", "a"});
  run_flow("s");
  EXPECT_THAT(factory.created, SizeIs(1)) << "the step before had given its container back";
}

TEST_F(ComposerTest, PutsResultsOverParametersAndHandsArraysOn) {
  auto action = std::make_shared<entity::Action>(*add("b"));
  action->parameters = {{.key = "x", .value = "own"}, {.key = "n", .value = "own"}};
  actions.actions["guest/b"] = action;
  add("a");
  add("c");
  answers("a", {R"({"n":2})"});
  answers("b", {"[1,{\"k\":2}]"});
  add_sequence("s", {"a", "b", "c"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.result, R"({"by":"/guest/c"})");
  EXPECT_THAT(arguments, ElementsAre(R"(a {"n":1})", R"(b {"x":"own","n":2})", R"(c [1,{"k":2}])"));
}

TEST_F(ComposerTest, AnErrorEndsIt) {
  for (const char* name : {"a", "b", "c"}) add(name);
  add_sequence("s", {"a", "b", "c"});
  answers("b", {R"({"error":"no","more":1})"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_EQ(reply.result, R"({"error":"no"})");
  EXPECT_THAT(reply.logs, SizeIs(2));
  EXPECT_THAT(arguments, SizeIs(2));
}

TEST_F(ComposerTest, ADevelopersErrorStaysOne) {
  add("a");
  add_sequence("s", {"a", "a"});
  scripts["a"] = [](const boost::json::value&) {
    return Answer{.status = 502, .body = R"({"error":"broken"})"};
  };
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kDeveloperError);
  EXPECT_EQ(reply.result, R"({"error":"broken"})");
}

TEST_F(ComposerTest, AMissingComponentFailsIt) {
  add("a");
  add_sequence("s", {"a", "gone"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kWhiskError);
  EXPECT_EQ(reply.result, R"({"error":"Sequence failed."})");
  EXPECT_THAT(reply.logs, SizeIs(1));
}

TEST_F(ComposerTest, ForeignComponentsAreNotRun) {
  auto sequence = std::make_shared<entity::Action>(*add_sequence("s", {"a"}));
  sequence->exec.components = {"/other/a"};
  actions.actions["other/a"] = test::make_action("a");
  actions.actions["guest/s"] = sequence;
  EXPECT_EQ(run_flow("s").outcome, Outcome::kWhiskError);
  EXPECT_THAT(arguments, IsEmpty());
}

TEST_F(ComposerTest, NestedSequencesHaveRecordsOfTheirOwn) {
  for (const char* name : {"a", "b", "c"}) add(name);
  add_sequence("inner", {"a", "b"});
  add_sequence("s", {"inner", "c"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.result, R"({"by":"/guest/c"})");
  const entity::Activation& inner = record_of("inner");
  EXPECT_EQ(inner.cause, kTop);
  EXPECT_EQ(annotation(inner, "topmost"), false);
  EXPECT_EQ(annotation(inner, "causedBy"), "sequence");
  EXPECT_EQ(record_of("a").cause, inner.activation_id);
  EXPECT_THAT(reply.logs, ElementsAre(inner.activation_id, record_of("c").activation_id));
  EXPECT_THAT(inner.logs, ElementsAre(record_of("a").activation_id, record_of("b").activation_id));
  EXPECT_EQ(reply.duration_ms, inner.duration_ms + record_of("c").duration_ms);
}

TEST_F(ComposerTest, CountsNestedActionsWhileItRuns) {
  composer_options.max_steps = 3;
  TearDown();
  SetUp();
  add("a");
  add_sequence("inner", {"a", "a"});
  add_sequence("s", {"inner", "inner"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_EQ(reply.result, R"({"error":"Too many actions in the sequence."})");
  EXPECT_THAT(arguments, SizeIs(3));
}

TEST_F(ComposerTest, ADurableOneIsMarkedBeforeItsFirstStep) {
  add("a");
  add_sequence("s", {"a"});
  rows.hold = true;
  submit(kTop, "s", false);
  run_for(30ms);
  EXPECT_THAT(accepted, IsEmpty());
  EXPECT_THAT(requests, IsEmpty());
  rows.let_go();
  ASSERT_TRUE(wait(kTop));
  EXPECT_TRUE(accepted[kTop].ok());
  const std::string step = record_of("a").activation_id;
  EXPECT_THAT(rows.events, ElementsAre("enqueue " + std::string(kTop), "start " + std::string(kTop),
                                       "enqueue " + step));
  EXPECT_NE(rows.rows.at(step).started_ms, 0) << "a crash in the step is told, it is not run again";
  EXPECT_EQ(rows.rows.at(step).cause, kTop);
}

TEST_F(ComposerTest, WhatTheDiskRefusesDoesNotRun) {
  add("a");
  add_sequence("s", {"a"});
  rows.refusal = sdk::resource_exhausted("no room");
  submit(kTop, "s", false);
  ASSERT_TRUE(test::run_until(io, [&] { return accepted.count(kTop) != 0; }));
  EXPECT_EQ(accepted[kTop].code(), StatusCode::kUnavailable);
  ASSERT_TRUE(test::run_until(io, [&] { return composer->flows() == 0; }));
  EXPECT_THAT(requests, IsEmpty());
  EXPECT_THAT(records.records, IsEmpty());
}

TEST_F(ComposerTest, OneThatCannotBeMarkedWaits) {
  add("a");
  add_sequence("s", {"a"});
  rows.mark_refusal = sdk::resource_exhausted("no room");
  submit(kTop, "s", false);
  ASSERT_TRUE(test::run_until(io, [&] { return rows.events.size() > 3; }));
  EXPECT_THAT(requests, IsEmpty());
  rows.mark_refusal = Status();
  ASSERT_TRUE(wait(kTop));
  EXPECT_EQ(replied[kTop].outcome, Outcome::kSuccess);
}

TEST_F(ComposerTest, TheNextStartRunsOrRecordsWhatIsLeft) {
  add("a");
  add_sequence("s", {"a"});
  const auto left = [](std::int64_t sequence, std::string id, std::string path,
                       std::int64_t started_ms, std::string cause = "") {
    store::Work work;
    work.sequence = sequence;
    work.activation_id = std::move(id);
    work.namespace_name = work.subject = "guest";
    work.namespace_uuid = "uuid-of-guest";
    work.path = std::move(path);
    work.cause = std::move(cause);
    work.started_ms = started_ms;
    work.arguments = R"({"n":9})";
    return work;
  };
  rows.left = {left(1, "fresh", "guest/s", 0), left(2, "begun", "guest/s", 5),
               left(3, "step", "guest/a", 6, "begun")};
  durable->recover();
  ASSERT_TRUE(test::run_until(
      io, [&] { return durable->recovered() && records.find("fresh") != nullptr; }));
  EXPECT_EQ(records.find("fresh")->outcome, Outcome::kSuccess);
  EXPECT_THAT(arguments, ElementsAre(R"(a {"n":9})"));
  for (const char* id : {"begun", "step"}) {
    ASSERT_NE(records.find(id), nullptr);
    EXPECT_EQ(records.find(id)->outcome, Outcome::kWhiskError);
    EXPECT_THAT(records.find(id)->result, HasSubstr("interrupted"));
  }
  EXPECT_EQ(annotation(*records.find("begun"), "topmost"), true);
  EXPECT_EQ(annotation(*records.find("step"), "causedBy"), "sequence");
}

TEST_F(ComposerTest, AStopLetsItEndInItsGrace) {
  add("a");
  add_sequence("s", {"a", "a", "a"});
  scripts["a"] = [](const boost::json::value&) { return Answer{.delay = 20ms}; };
  submit(kTop, "s", true);
  ASSERT_TRUE(test::run_until(io, [&] { return !arguments.empty(); }));
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now() + 30s),
                        [&](std::exception_ptr) { done = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_EQ(replied[kTop].outcome, Outcome::kSuccess);
  EXPECT_THAT(replied[kTop].logs, SizeIs(3));
  submit("late", "s", true);
  EXPECT_EQ(accepted["late"].code(), StatusCode::kUnavailable);
}

TEST_F(ComposerTest, AStopStartsNothingInItsGraceThatTheNextStartRuns) {
  add("slow", 512);
  add("quick", 512);
  add("waits", 512);
  add_sequence("s", {"slow"});
  scripts["slow"] = [](const boost::json::value&) { return Answer{.delay = 300ms}; };
  scripts["quick"] = [](const boost::json::value&) { return Answer{.delay = 20ms}; };
  submit(kTop, "s", true);
  submit("quick", "quick", true);
  ASSERT_TRUE(test::run_until(io, [&] { return arguments.size() == 2; }));
  // There is no container for it until one of the others ends.
  submit("waits", "waits", false);
  ASSERT_TRUE(test::run_until(io, [&] { return accepted.count("waits") != 0; }));
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now() + 30s),
                        [&](std::exception_ptr) { done = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_EQ(replied[kTop].outcome, Outcome::kSuccess);
  EXPECT_EQ(arguments.size(), 2u) << arguments.back();
  EXPECT_EQ(rows.rows.at("waits").started_ms, 0) << "the next start runs it";
}

TEST_F(ComposerTest, WhoeverComesFirstDoesNotKeepOthersOut) {
  composer_options.max_flows = 4;
  composer.reset();
  make_composer();
  add("a");
  const entity::ActionPtr sequence = add_sequence("s", {"a"});
  const auto begin = [&](const std::string& id, const std::string& space) {
    Invocation invocation = make(id, sequence);
    invocation.user = test::make_identity(space);
    return composer
        ->invoke(std::move(invocation), [this, id](const entity::Activation&) { ++replies[id]; })
        .code();
  };
  for (const char* id : {"1", "2", "3", "4"}) EXPECT_EQ(begin(id, "guest"), StatusCode::kOk);
  EXPECT_EQ(begin("5", "guest"), StatusCode::kResourceExhausted);
  EXPECT_EQ(begin("6", "other"), StatusCode::kOk);
  EXPECT_EQ(begin("7", "other"), StatusCode::kOk) << "half of them is its share";
  EXPECT_EQ(begin("8", "other"), StatusCode::kResourceExhausted);
  EXPECT_EQ(begin("9", "third"), StatusCode::kOk);
  EXPECT_EQ(begin("10", "third"), StatusCode::kResourceExhausted);
  ASSERT_TRUE(test::run_until(io, [&] { return replies.size() == 7; }));
  EXPECT_EQ(composer->flows(), 0u);
  EXPECT_EQ(begin("11", "guest"), StatusCode::kOk);
  ASSERT_TRUE(test::run_until(io, [&] { return replies.count("11") != 0; }));
}

TEST_F(ComposerTest, ADeprecatedKindIsNoStep) {
  auto old = std::make_shared<entity::Action>(*add("a"));
  old->exec.kind = "python:2";
  actions.actions["guest/a"] = old;
  add_sequence("s", {"a"});
  const entity::Activation& reply = run_flow("s");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_THAT(reply.result, HasSubstr("The 'python:2' runtime is no longer supported."));
  EXPECT_THAT(arguments, IsEmpty());
}

TEST_F(ComposerTest, AKindThatTheNamespaceMayNotUseIsNoStep) {
  add("a");
  const entity::ActionPtr sequence = add_sequence("s", {"a"});
  Invocation invocation = make(kTop, sequence, true);
  auto own = std::make_shared<entity::NamespaceLimits>();
  own->allowed_kinds = {"nodejs:20"};
  invocation.user.limits = own;
  ASSERT_TRUE(
      composer
          ->invoke(std::move(invocation),
                   [this](const entity::Activation& outcome) { replied.emplace(kTop, outcome); })
          .ok());
  ASSERT_TRUE(test::run_until(io, [&] { return replied.count(kTop) != 0; }));
  EXPECT_EQ(replied[kTop].outcome, Outcome::kApplicationError);
  EXPECT_THAT(replied[kTop].result, HasSubstr("is not authorized to access actions of kind"));
  EXPECT_THAT(arguments, IsEmpty());
}

TEST_F(ComposerTest, AStopWithoutGraceInterruptsFlowsAndSteps) {
  add("a");
  add_sequence("inner", {"a"});
  add_sequence("s", {"inner"});
  scripts["a"] = [](const boost::json::value&) { return Answer{.delay = 10s}; };
  submit(kTop, "s", true);
  ASSERT_TRUE(test::run_until(io, [&] { return !arguments.empty(); }));
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now()),
                        [&](std::exception_ptr) { done = true; });
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  for (const char* name : {"s", "inner", "a"}) {
    EXPECT_EQ(record_of(name).outcome, Outcome::kWhiskError) << name;
    EXPECT_THAT(record_of(name).result, HasSubstr("interrupted")) << name;
  }
  EXPECT_THAT(record_of("s").logs, ElementsAre(record_of("inner").activation_id));
  EXPECT_EQ(records.records.size(), 3u);
}

TEST_F(ComposerTest, AStopLeavesWhatWaitsForRoomAndRunsWhatIsBeingMarked) {
  add("a");
  add_sequence("s", {"a"});
  rows.mark_refusal = sdk::resource_exhausted("no room");
  composer_options.mark_retry = composer_options.mark_retry_max = 1h;
  composer.reset();
  make_composer();
  submit("waits", "s", false);
  ASSERT_TRUE(test::run_until(io, [&] { return accepted.count("waits") != 0; }));
  rows.mark_refusal = Status();
  rows.hold = true;
  submit("marked", "s", false);
  bool done = false;
  boost::asio::co_spawn(io, durable->shut_down(clock.steady_now() + 30s),
                        [&](std::exception_ptr) { done = true; });
  run_for(10ms);
  rows.let_go();
  ASSERT_TRUE(test::run_until(io, [&] { return done; }));
  EXPECT_EQ(replied["marked"].outcome, Outcome::kSuccess) << "its row says that it started";
  EXPECT_EQ(replies.count("waits"), 0u);
  EXPECT_EQ(rows.rows.at("waits").started_ms, 0) << "the next start runs it";
}

TEST_F(ComposerTest, PlainActionsPassThrough) {
  add("a");
  EXPECT_EQ(run_flow("a").result, R"({"by":"/guest/a"})");
  EXPECT_EQ(annotation(replied[kTop], "topmost"), "(none)");
}

}  // namespace
}  // namespace berth::activation
