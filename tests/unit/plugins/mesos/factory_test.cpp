// SPDX-License-Identifier: Apache-2.0
// The ContainerFactory on a simulated cluster.
#include "mesos_fixture.hpp"

// Each load of the plugin registers its messages with libprotobuf-lite, which keeps the notes until
// the process ends; when the library is unloaded with the plugin, nothing points to them any more.
extern "C" __attribute__((visibility("default"), used)) const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libprotobuf-lite.so\n";
}

namespace berth::plugin {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(MesosPlugin, CreatesListsAndDestroys) {
  simulate();
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().to_string();
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(made->id, StartsWith("berth-test-1."));
  EXPECT_THAT(made->address, ::testing::MatchesRegex("tcp://127[.][0-9.]+:31[0-9]+"));
  EXPECT_EQ(made->name, "berth-test-1");
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 1u);
  const auto listed = list();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->at(0).address, made->address);
  EXPECT_EQ(listed->at(0).labels, request().labels);
  EXPECT_TRUE(await(factory().destroy(made->id, later())));
  EXPECT_TRUE(eventually_tasks(0)) << "its end is acknowledged";
  EXPECT_EQ(await(factory().destroy(made->id, later())).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(deaths(), 0u);
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  EXPECT_TRUE(simulator_->state().at("frameworks").as_object().empty()) << "teardown_on_exit";
}

TEST_F(MesosPlugin, PlacesManyAtOnceOnAllAgents) {
  simulate({"--agents", "4", "--cpus", "2", "--mem", "4096"});
  ASSERT_TRUE(open());
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 0; i < 40; ++i) {
    creates.push_back(begin(factory().create(request("many-" + std::to_string(i)), later())));
  }
  std::set<std::string> addresses;
  for (auto& one : creates) {
    const auto made = one.get();
    ASSERT_TRUE(made) << made.error().to_string();
    EXPECT_TRUE(addresses.insert(made->address).second) << "two at " << made->address;
  }
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 40u);
  EXPECT_TRUE(eventually([&] {
    const auto said = simulator_->state();
    for (const auto& [id, task] : said.at("tasks").as_object()) {
      if (task.at("unacknowledged").as_int64() > 0) return false;
    }
    return true;
  }));
}

TEST_F(MesosPlugin, SaysWhyThereIsNoRoom) {
  simulate({"--agents", "2", "--cpus", "0.1", "--mem", "1024"});
  ASSERT_TRUE(open(R"(,"launch_timeout":"500ms","offer_hold":"60s")"));
  CreateRequest big = request();
  big.cpu_shares = 256;
  const auto made = create(big);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), StatusCode::kResourceExhausted) << made.error().to_string();
  EXPECT_TRUE(made.error().retryable());
  EXPECT_THAT(made.error().message(),
              HasSubstr("needs 0.25 cpus, 256 MB, 1 port: 2 offers, the best with 0.1 cpus"));
}

TEST_F(MesosPlugin, AMissingImageIsItsAuthorsError) {
  simulate();
  ASSERT_TRUE(open());
  simulator_->control(R"({"do":"missing_image","image":"nobody/has:it"})");
  CreateRequest theirs = request();
  theirs.image = "nobody/has:it";
  theirs.user_provided_image = true;
  const auto made = create(theirs);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(made.error().user_error());
  EXPECT_THAT(made.error().message(), HasSubstr("REASON_CONTAINER_LAUNCH_FAILED"));
  EXPECT_TRUE(eventually_tasks(0));
}

TEST_F(MesosPlugin, TellsOfDeaths) {
  simulate();
  ASSERT_TRUE(open());
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"end_task","code":7})");
  const ContainerDied death = next_death();
  EXPECT_EQ(death.id, made->id);
  EXPECT_EQ(death.exit_code, 7);
  EXPECT_THAT(death.reason, HasSubstr("Container exited with status 7"));
  EXPECT_EQ(list()->at(0).state, ContainerState::kDead);
  EXPECT_TRUE(await(factory().destroy(made->id, later())));
  EXPECT_TRUE(list()->empty());
}

TEST_F(MesosPlugin, IdlesSuppressedAndWakesUp) {
  simulate();
  ASSERT_TRUE(open(R"(,"offer_hold":"50ms")"));
  const auto suppressed = [&] {
    const auto said = simulator_->state();
    for (const auto& [id, framework] : said.at("frameworks").as_object()) {
      return !framework.at("suppressed").as_array().empty();
    }
    return false;
  };
  EXPECT_TRUE(
      eventually([&] { return suppressed() && simulator_->state().at("offers").as_int64() == 0; }));
  ASSERT_TRUE(create());
  EXPECT_TRUE(eventually(suppressed));
}

TEST_F(MesosPlugin, RelaunchesWhatAnOfferThatIsGoneLost) {
  simulate();
  ASSERT_TRUE(open(R"(,"offer_hold":"60s")"));
  // The master forgets the offers without a word to us.
  EXPECT_TRUE(eventually([&] { return simulator_->state().at("offers").as_int64() > 0; }));
  simulator_->control(R"({"do":"forget_offers"})");
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 1u);
}

TEST_F(MesosPlugin, GoesOnWithWhatAnEarlierOneLeft) {
  simulate();
  ASSERT_TRUE(open());
  const auto kept = create(request("kept"));
  ASSERT_TRUE(kept);
  const auto ended = create(request("ended"));
  ASSERT_TRUE(ended);
  close();
  simulator_->control(R"({"do":"end_task","task":")" + ended->id + "\"}");
  ASSERT_TRUE(open());
  auto listed = list();
  ASSERT_TRUE(listed);
  std::erase_if(*listed,
                [](const ContainerInfo& info) { return info.state == ContainerState::kDead; });
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->at(0).id, kept->id);
  EXPECT_EQ(listed->at(0).token, kept->token);
  EXPECT_EQ(listed->at(0).address, kept->address);
  EXPECT_EQ(listed->at(0).name, "kept");
  EXPECT_EQ(listed->at(0).labels, request().labels);
  EXPECT_EQ(simulator_->state().at("frameworks").as_object().size(), 1u) << "the same framework";
  EXPECT_TRUE(await(factory().destroy(kept->id, later())));
  EXPECT_TRUE(eventually_tasks(0));
}

TEST_F(MesosPlugin, KillsOrphans) {
  simulate();
  ASSERT_TRUE(open());
  ASSERT_TRUE(create());
  close();
  // As if it had crashed before it could remember the task.
  forget_tasks();
  ASSERT_TRUE(open());
  EXPECT_TRUE(eventually_tasks(0));
  EXPECT_TRUE(list()->empty());
}

TEST_F(MesosPlugin, DetachLeavesTasksAndKillEndsThem) {
  simulate();
  ASSERT_TRUE(open(R"(,"teardown_on_exit":false)"));
  ASSERT_TRUE(create());
  ASSERT_TRUE(await(factory().stop(StopMode::kDetach, later())));
  close();
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 1u);
  ASSERT_TRUE(open(R"(,"teardown_on_exit":false)"));
  EXPECT_EQ(list()->size(), 1u);
  ASSERT_TRUE(await(factory().stop(StopMode::kKill, later())));
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 0u);
  EXPECT_EQ(simulator_->state().at("frameworks").as_object().size(), 1u) << "it was not torn down";
}

TEST_F(MesosPlugin, FollowsTheLeader) {
  simulate({"--masters", "3"});
  ASSERT_TRUE(open());
  const auto before = create(request("before"));
  ASSERT_TRUE(before);
  for (int i = 0; i < 3; ++i) {
    simulator_->control(R"({"do":"leader_change","pause":0.1})");
    const auto made = create(request("after-" + std::to_string(i)));
    ASSERT_TRUE(made) << made.error().to_string();
  }
  EXPECT_EQ(list()->size(), 4u);
  EXPECT_EQ(deaths(), 0u);
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 4u);
  EXPECT_EQ(simulator_->state().at("frameworks").as_object().size(), 1u);
}

TEST_F(MesosPlugin, NoticesAMasterThatIsSilent) {
  simulate({"--heartbeat", "0.2"});
  ASSERT_TRUE(open(R"(,"missed_heartbeats":1)"));
  simulator_->control(R"({"do":"silence"})");
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
}

TEST_F(MesosPlugin, GivesUpWhatIsOutOfSightAndKillsItWhenItIsBack) {
  simulate({"--agents", "1"});
  ASSERT_TRUE(open(R"(,"unreachable_after":"100ms")"));
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"agent_lost"})");
  EXPECT_EQ(next_death().id, made->id);
  EXPECT_TRUE(await(factory().destroy(made->id, later())));
  EXPECT_EQ(simulator_->tasks("TASK_RUNNING"), 1u);
  simulator_->control(R"({"do":"agent_back"})");
  EXPECT_TRUE(eventually_tasks(0)) << "it is nobody's";
}

TEST_F(MesosPlugin, KeepsWhatIsBackInTime) {
  simulate({"--agents", "1"});
  ASSERT_TRUE(open(R"(,"unreachable_after":"1h")"));
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"agent_lost"})");
  simulator_->control(R"({"do":"agent_back"})");
  ASSERT_TRUE(create(request("second")));
  EXPECT_EQ(deaths(), 0u);
  EXPECT_EQ(list()->size(), 2u);
}

TEST_F(MesosPlugin, LeavesAnAgentBeforeItsMaintenance) {
  simulate({"--agents", "2"});
  ASSERT_TRUE(open(R"(,"drain_lead":"1h")"));
  const auto made = create();
  ASSERT_TRUE(made);
  const auto tasks = simulator_->state().at("tasks").as_object();
  const auto agents = simulator_->state().at("agents").as_array();
  const bool first = tasks.begin()->value().at("agent") == agents.at(0);
  simulator_->control(std::string(R"({"do":"maintain","within":60,"number":)") +
                      (first ? "0}" : "1}"));
  EXPECT_EQ(next_death().id, made->id);
  EXPECT_TRUE(eventually_tasks(0));
  ASSERT_TRUE(create(request("elsewhere")));
  EXPECT_NE(simulator_->state().at("tasks").as_object().begin()->value().at("agent"),
            agents.at(first ? 0 : 1));
  const auto said = simulator_->state();
  for (const auto& [id, answer] : said.at("inverse").as_object()) EXPECT_EQ(answer, "accepted");
}

TEST_F(MesosPlugin, StartsAnewWhenTheFrameworkIsRemoved) {
  simulate();
  ASSERT_TRUE(open());
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"remove_frameworks"})");
  EXPECT_EQ(next_death().id, made->id);
  const auto again = create(request("again"));
  ASSERT_TRUE(again) << again.error().to_string();
}

TEST_F(MesosPlugin, AuthenticatesAndSaysWhenItCannot) {
  simulate({"--credential", "berth:secret"});
  const auto refused = open(R"(,"start_timeout":"500ms","principal":"berth","secret":"wrong")");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("401"));
  close();
  ASSERT_TRUE(open(R"(,"principal":"berth","secret":"secret")"));
  EXPECT_TRUE(create());
}

TEST_F(MesosPlugin, TakesWhatIsReservedForItsRole) {
  simulate({"--agents", "1", "--cpus", "0.05", "--mem", "10", "--reserved", "web:2:1024"});
  ASSERT_TRUE(open(R"(,"roles":["web"])"));
  for (int i = 0; i < 3; ++i) {
    const auto made = create(request("reserved-" + std::to_string(i)));
    ASSERT_TRUE(made) << made.error().to_string();
  }
}

TEST_F(MesosPlugin, ACancelledCreateLeavesNothing) {
  simulate({"--run-delay", "0.3"});
  ASSERT_TRUE(open());
  const auto made =
      create(request(), std::chrono::steady_clock::now() + std::chrono::milliseconds(200));
  ASSERT_FALSE(made);
  EXPECT_TRUE(eventually_tasks(0));
  EXPECT_TRUE(list()->empty());
}

TEST_F(MesosPlugin, WaitsForHealth) {
  simulate();
  ASSERT_TRUE(open(R"(,"health_check":{"type":"tcp","delay":0.1})"));
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
}

TEST_F(MesosPlugin, YieldsToAnotherSchedulerOfItsFramework) {
  simulate();
  ASSERT_TRUE(open());
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"usurp"})");
  Result<ContainerInfo> refused = made;
  EXPECT_TRUE(eventually([&] { return !(refused = create(request("late"))); }));
  EXPECT_EQ(refused.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message(), HasSubstr("another scheduler has taken over"));
  close();
  ASSERT_TRUE(open()) << "a restart is the way out";
  EXPECT_TRUE(create(request("after")));
}

TEST_F(MesosPlugin, ReadsLogsFromTheAgentAcrossARotation) {
  simulate();
  ASSERT_TRUE(open());
  const auto made = create();
  ASSERT_TRUE(made);
  const auto write = [&](const std::string& rest) {
    simulator_->control(R"({"do":"write_log","task":")" + made->id + "\"," + rest + "}");
  };
  std::string cursor;
  std::string seen;
  const auto read_until = [&](const std::string& wanted) {
    while (seen.find(wanted) == std::string::npos) {
      const auto batch = await(factory().read_logs(made->id, cursor, 1 << 20, later()));
      ASSERT_TRUE(batch) << batch.error().to_string();
      ASSERT_FALSE(batch->records.empty()) << "nothing until the deadline; seen: " << seen;
      for (const LogRecord& record : batch->records) {
        seen += (record.stream == Stream::kStderr ? "e:" : "o:") + std::string(record.bytes) + ";";
      }
      cursor = batch->next_cursor;
    }
  };
  write(R"("text":"one\ntwo\npart")");
  ASSERT_NO_FATAL_FAILURE(read_until("two"));
  EXPECT_EQ(seen, "o:one;o:two;") << "neither what the executor wrote nor what is not a whole line";
  write(R"("text":"ial\n")");
  ASSERT_NO_FATAL_FAILURE(read_until("partial"));
  write(R"("text":"caf\u00e9\n","name":"stderr")");
  ASSERT_NO_FATAL_FAILURE(read_until("e:caf\xe9;"));
  write(R"("text":"before\n")");
  write(R"("text":"after\n","rotate":true)");
  ASSERT_NO_FATAL_FAILURE(read_until("after"));
  EXPECT_EQ(seen, "o:one;o:two;o:partial;e:caf\xe9;o:before;o:after;");
  EXPECT_EQ(await(factory().read_logs(made->id, "x", 1, later())).error().code(),
            StatusCode::kInvalidArgument);
  simulator_->control(R"({"do":"end_task"})");
  (void)next_death();
  const auto last = await(factory().read_logs(made->id, cursor, 1 << 20, later()));
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->ended);
}

TEST_F(MesosPlugin, RunsInTaskGroups) {
  simulate();
  const std::string groups = R"(,"containerizer":"mesos","task_group":true)";
  ASSERT_TRUE(open(groups));
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
  const auto state = simulator_->state();
  EXPECT_TRUE(state.at("tasks").at(made->id).at("group").as_bool());
  // The sandbox is the nested container's, for the next life too.
  close();
  ASSERT_TRUE(open(groups));
  ASSERT_EQ(list()->size(), 1u);
  simulator_->control(R"({"do":"write_log","text":"hello\n","task":")" + made->id + "\"}");
  const auto batch = await(factory().read_logs(made->id, "", 1 << 20, later()));
  ASSERT_TRUE(batch) << batch.error().to_string();
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].bytes, "hello");
  EXPECT_TRUE(await(factory().destroy(made->id, later())));
  EXPECT_TRUE(eventually_tasks(0));
}

// The simulator refuses, as a master does, a group whose task names a network of its own.
TEST_F(MesosPlugin, AGroupsNetworkIsItsExecutors) {
  simulate();
  ASSERT_TRUE(open(R"(,"containerizer":"mesos","task_group":true,"network":"a-cni-network")"));
  auto made = begin(factory().create(request(), later()));
  EXPECT_TRUE(eventually([&] { return simulator_->tasks("TASK_RUNNING") == 1; }));
  // Nothing listens in that network.
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  EXPECT_FALSE(made.get());
}

TEST_F(MesosPlugin, ShutsDownAnExecutorThatDoesNotObey) {
  simulate();
  ASSERT_TRUE(open(R"(,"kill_retry":"20ms")"));
  const auto made = create();
  ASSERT_TRUE(made);
  simulator_->control(R"({"do":"deaf"})");
  EXPECT_TRUE(await(factory().destroy(made->id, later())));
  const auto state = simulator_->state();
  EXPECT_GE(state.at("calls").at("KILL").as_int64(), 3);
  EXPECT_GE(state.at("calls").at("SHUTDOWN").as_int64(), 1);
  EXPECT_TRUE(eventually_tasks(0));
}

// It fails at once, is free at once, and would get the next one too.
TEST_F(MesosPlugin, PrefersOtherAgentsToOneThatStartsNothing) {
  simulate({"--agents", "2", "--cpus", "32", "--mem", "65536"});
  ASSERT_TRUE(open());
  for (const char* number : {"0", "1"}) {
    simulator_->control(std::string(R"({"do":"break_agent","number":)") + number + "}");
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
      const auto made = create(request("n" + std::string(number) + "-" + std::to_string(i)));
      if (made) continue;
      ++failed;
      EXPECT_THAT(made.error().to_string(), HasSubstr("no space left on device"));
    }
    // Each time its doubt ends it is tried once more, and the doubt doubles.
    EXPECT_LT(failed, 8) << "agent " << number;
    simulator_->control(std::string(R"({"do":"break_agent","broken":false,"number":)") + number +
                        "}");
  }
  // Where no other has room, it is asked all the same.
  simulator_->control(R"({"do":"break_agent","number":0})");
  simulator_->control(R"({"do":"break_agent","number":1})");
  EXPECT_FALSE(create(request("all-broken-1")));
  EXPECT_FALSE(create(request("all-broken-2")));
  simulator_->control(R"({"do":"break_agent","broken":false,"number":0})");
  simulator_->control(R"({"do":"break_agent","broken":false,"number":1})");
  EXPECT_TRUE(create(request("mended")));
}

// Generated code that registered its descriptors process-wide would abort here.
TEST_F(MesosPlugin, MayBeMappedTwice) {
  simulate();
  ASSERT_TRUE(open());
  auto again = LoadedPlugin::load(examine(root_ / "libberth_mesos.so"));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(create());
}

}  // namespace
}  // namespace berth::plugin
