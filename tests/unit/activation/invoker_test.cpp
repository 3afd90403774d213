// SPDX-License-Identifier: Apache-2.0
// Activations that go as they should.
#include <gmock/gmock.h>

#include "unit/activation/invoker_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST_F(InvokerTest, AColdActivationFromAcceptedToStored) {
  start();
  on_run = [this](const std::string& id) {
    factory.print(id, Stream::kStdout, "hello");
    return Answer{.body = "{\"greeting\":\"hi\"}\n"};
  };
  Invocation invocation = make("one", test::make_action("hello"));
  invocation.cause = "cause";
  ASSERT_TRUE(invoke(std::move(invocation)).ok());
  ASSERT_TRUE(wait("one"));
  ASSERT_TRUE(wait_logs("one"));
  EXPECT_THAT(requests, ElementsAre("/init", "/run"));

  const entity::Activation& reply = replied["one"];
  EXPECT_EQ(reply.outcome, Outcome::kSuccess);
  EXPECT_EQ(reply.result, R"({"greeting":"hi"})");
  EXPECT_EQ(reply.size, 18u);
  EXPECT_EQ(reply.namespace_name, "guest");
  EXPECT_EQ(reply.namespace_uuid, "uuid-of-guest");
  EXPECT_EQ(reply.subject, "guest");
  EXPECT_EQ(reply.name, "hello");
  EXPECT_EQ(reply.version, "0.0.1");
  EXPECT_EQ(reply.path, "guest/hello");
  EXPECT_EQ(reply.cause, "cause");
  EXPECT_EQ(reply.end_ms - reply.start_ms, reply.duration_ms);
  EXPECT_EQ(annotation(reply, "kind"), "python:3");
  EXPECT_EQ(annotation(reply, "timeout"), false);
  EXPECT_EQ(annotation(reply, "causedBy"), "sequence");
  EXPECT_TRUE(annotation(reply, "initTime").is_int64());
  EXPECT_GE(annotation(reply, "waitTime").as_int64(), 0);

  ASSERT_EQ(records.records.size(), 1u);
  EXPECT_EQ(records.records[0].result, reply.result);
  EXPECT_THAT(records.how, ElementsAre("later"));
  EXPECT_THAT(logs.lines("one"), ElementsAre("out hello"));
  const plugin::ActivationRef& ref = logs.kept.at("one").ref;
  EXPECT_EQ(ref.namespace_name, "guest");
  EXPECT_EQ(ref.namespace_id, "uuid-of-guest");
  EXPECT_EQ(ref.action, "guest/hello");
  EXPECT_EQ(ref.container_id, "id-1");
  EXPECT_EQ(ref.start_ms, reply.start_ms);
  EXPECT_EQ(ref.end_ms, reply.end_ms);
  EXPECT_EQ(outcomes("success"), 1);
  EXPECT_EQ(invoker->running(), 0u);
}

TEST_F(InvokerTest, AWarmActivationHasNoInit) {
  start();
  run("one");
  const entity::Activation& second = run("two");
  EXPECT_THAT(requests, ElementsAre("/init", "/run", "/run"));
  EXPECT_EQ(annotation(second, "initTime"), "(none)");
  EXPECT_EQ(factory.created.size(), 1u);
}

TEST_F(InvokerTest, TheContainerServesTheNextWhileLogsAreStillRead) {
  start();
  print_sentinels = false;
  run("one");
  run("two");
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_FALSE(logs.has("one"));
  factory.print(factory.boxes.begin()->first, Stream::kStdout, "late one");
  factory.print_sentinels(factory.boxes.begin()->first);
  factory.print(factory.boxes.begin()->first, Stream::kStdout, "late two");
  factory.print_sentinels(factory.boxes.begin()->first);
  ASSERT_TRUE(wait_logs("two"));
  EXPECT_THAT(logs.lines("one"), ElementsAre("out late one"));
  EXPECT_THAT(logs.lines("two"), ElementsAre("out late two"));
}

TEST_F(InvokerTest, TheRequestsCarryTheActivation) {
  start();
  run("one");
  const auto init = boost::json::parse(bodies[0]).at("value");
  EXPECT_EQ(init.at("code"), "code of hello");
  EXPECT_EQ(init.at("env").at("__OW_ACTIVATION_ID"), "one");
  EXPECT_EQ(init.at("env").at("__OW_TRANSACTION_ID"), "t-one");
  const auto run = boost::json::parse(bodies[1]);
  EXPECT_EQ(run.at("value"), boost::json::parse(R"({"name":"Ann"})"));
  EXPECT_EQ(run.at("activation_id"), "one");
  EXPECT_EQ(run.at("api_key"), "uuid-of-guest:secret");
  const std::int64_t deadline = std::stoll(std::string(run.at("deadline").as_string()));
  EXPECT_NEAR(static_cast<double>(deadline), static_cast<double>(clock.wall_ms() + 60'000), 30'000);
}

TEST_F(InvokerTest, TheTimesAreThoseOfInitAndRun) {
  start();
  on_init = [this](const std::string&) {
    clock.advance(2s);
    return Answer{};
  };
  on_run = [this](const std::string&) {
    clock.advance(3s);
    return Answer{};
  };
  Invocation invocation = make("one", test::make_action("hello"));
  invocation.received_ms -= 500;
  ASSERT_TRUE(invoke(std::move(invocation)).ok());
  ASSERT_TRUE(wait("one"));
  const entity::Activation& one = replied["one"];
  EXPECT_GE(one.duration_ms, 5'000);
  EXPECT_LT(one.duration_ms, 20'000);
  EXPECT_EQ(one.end_ms - one.start_ms, one.duration_ms);
  EXPECT_GE(annotation(one, "initTime").as_int64(), 2'000);
  EXPECT_GE(annotation(one, "waitTime").as_int64(), 500);
  EXPECT_LT(annotation(one, "waitTime").as_int64(), 2'000) << "it ends before the init";
  const entity::Activation& two = run("two");
  EXPECT_GE(two.duration_ms, 3'000);
  EXPECT_LT(two.duration_ms, 5'000);
}

TEST_F(InvokerTest, ABlockingReplyMayWaitForItsRecord) {
  options.record_before_reply = true;
  records.hold_puts = true;
  start();
  ASSERT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return !records.held.empty(); }));
  run_for(20ms);
  EXPECT_EQ(replies["one"], 0);
  records.let_puts();
  ASSERT_TRUE(wait("one"));
  EXPECT_THAT(records.how, ElementsAre("put"));
  // Whoever does not wait needs no such care.
  ASSERT_TRUE(invoke(make("two", test::make_action("hello"), false)).ok());
  ASSERT_TRUE(wait("two"));
  EXPECT_THAT(records.how, ElementsAre("put", "later"));
}

TEST_F(InvokerTest, ARecordThatCannotBeStoredDoesNotCostTheReply) {
  options.record_before_reply = true;
  records.put_failure = sdk::internal("disk full");
  start();
  ASSERT_TRUE(invoke("one").ok());
  ASSERT_TRUE(test::run_until(io, [&] { return replies["one"] == 1; }));
  EXPECT_EQ(metrics
                .counter("berth_activation_lost_records_total",
                         "Activation records that could not be stored")
                .value(),
            1);
}

TEST_F(InvokerTest, ARecordWithoutRoomWaitsForItAfterTheReply) {
  options.record_before_reply = true;
  records.put_failure = sdk::resource_exhausted("disk full");
  start();
  run("one");
  EXPECT_THAT(records.how, ElementsAre("later"));
}

TEST_F(InvokerTest, AnActionBeyondThePresentBoundsDoesNotRun) {
  options.bounds = entity::LimitBounds();
  options.bounds->memory_mb.max = 200;
  start();
  const entity::Activation& reply = run("one");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_EQ(reply.result, R"({"error":"memory size 256 MB exceeds allowed threshold of 200 MB"})");
  EXPECT_THAT(requests, IsEmpty());
}

TEST_F(InvokerTest, TheRecordTellsWhereTheTimeWent) {
  start();
  run("one");
  const boost::json::value cold = annotation(replied["one"], "trace");
  EXPECT_EQ(cold.at("transaction"), "t-one");
  EXPECT_EQ(cold.at("start"), "cold");
  EXPECT_FALSE(cold.at("container").as_string().empty());
  EXPECT_GE(cold.at("queue").as_int64(), 0);
  EXPECT_GE(cold.at("init").as_int64(), 0);
  EXPECT_GE(cold.at("run").as_int64(), 0);
  EXPECT_FALSE(cold.as_object().contains("mark")) << "it is not durable";
  run("two");
  const boost::json::value warm = annotation(replied["two"], "trace");
  EXPECT_EQ(warm.at("start"), "warm");
  EXPECT_FALSE(warm.as_object().contains("init"));
}

TEST_F(InvokerTest, ApplicationErrorsKeepTheContainer) {
  start();
  on_run = [](const std::string&) { return Answer{.body = R"({"error":"soft"})"}; };
  EXPECT_EQ(run("one").outcome, Outcome::kApplicationError);
  EXPECT_EQ(run("two").result, R"({"error":"soft"})");
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_THAT(factory.destroyed, IsEmpty());
  EXPECT_EQ(outcomes("application_error"), 2);
}

TEST_F(InvokerTest, TruncatedLogsDoNotCostTheContainer) {
  start();
  auto action = std::make_shared<entity::Action>(*test::make_action("chatty"));
  action->limits.logs_mb = 1;
  on_run = [this](const std::string& id) {
    for (int i = 0; i < 20; ++i) factory.print(id, Stream::kStdout, std::string(60'000, 'x'));
    return Answer{};
  };
  ASSERT_TRUE(invoke(make("one", action)).ok());
  ASSERT_TRUE(wait_logs("one"));
  EXPECT_EQ(logs.lines("one").size(), 18u);
  EXPECT_EQ(
      logs.lines("one").back(),
      "err Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes.");
  ASSERT_TRUE(invoke(make("two", action)).ok());
  ASSERT_TRUE(wait_logs("two"));
  EXPECT_EQ(factory.created.size(), 1u);
  EXPECT_THAT(factory.destroyed, IsEmpty());
}

TEST_F(InvokerTest, LogParametersAreTheStores) {
  logs.parameters = {{"log-driver", "splunk"}};
  start();
  run("one");
  EXPECT_THAT(factory.created[0].log_parameters, ElementsAre(Pair("log-driver", "splunk")));
}

TEST_F(InvokerTest, ManyActivationsOfSeveralActions) {
  options.pool.memory_bytes = 1024ull * 1024 * 1024;
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  on_run = [](const std::string&) { return Answer{.delay = 1ms}; };
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(invoke("i" + std::to_string(i), "action" + std::to_string(i % 7)).ok());
  }
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(wait_logs("i" + std::to_string(i))) << i;
  EXPECT_EQ(records.records.size(), 200u);
  for (const auto& [id, count] : replies) EXPECT_EQ(count, 1) << id;
  EXPECT_EQ(outcomes("success"), 200);
  EXPECT_LE(factory.peak_bytes, options.pool.memory_bytes);
}

TEST_F(InvokerTest, APrewarmedContainerIsInitialised) {
  start(R"([{"initialCount":1,"memory":"256 MB"}])");
  ASSERT_TRUE(test::run_until(io, [&] { return invoker->pool().stats().stock_bytes > 0; }));
  const entity::Activation& one = run("one");
  EXPECT_TRUE(annotation(one, "initTime").is_int64());
  EXPECT_EQ(logs.kept.count("one") != 0 || wait_logs("one"), true);
  EXPECT_EQ(logs.kept.at("one").ref.container_id, "id-1");
}

TEST_F(InvokerTest, PhasesAreMeasured) {
  start();
  run("one");
  ASSERT_TRUE(wait_logs("one"));
  run_for(10ms);
  const std::string text = metrics.text();
  for (const char* phase : {"queue", "create", "init", "run", "logs"}) {
    const std::string series =
        "berth_activation_phase_seconds_count{phase=\"" + std::string(phase) + "\"} 1";
    EXPECT_NE(text.find(series), std::string::npos) << phase;
  }
  EXPECT_NE(text.find("berth_activations_in_flight 0"), std::string::npos);
}

}  // namespace
}  // namespace berth::activation
