// SPDX-License-Identifier: Apache-2.0
// Faults in random order under load: leaders change, streams break or fall silent, agents go and
// come back, updates are lost, doubled and late, berthd crashes. Afterwards each container that was
// handed out and not lost runs once, and nothing else does.
//
// BERTH_FAULT_SEED repeats a run; BERTH_SOAK=1 has 1000 faults instead of 30.
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "mesos_fixture.hpp"

namespace berth::plugin {
namespace {

class MesosFaults : public MesosPlugin {
 protected:
  static constexpr int kAgents = 4;
  static constexpr const char* kSettings =
      R"(,"unreachable_after":"200ms","kill_retry":"500ms","backoff_max":"500ms","missed_heartbeats":1,)"
      R"("offer_hold":"300ms","offer_refuse":"300ms","kill_grace":"0ms","reconcile_interval":"3s",)"
      R"("launch_timeout":"30s")";

  std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }

  void fault() {
    const std::string agent = ",\"number\":" + std::to_string(pick(kAgents)) + "}";
    switch (pick(10)) {
      case 0: simulator_->control(R"({"do":"leader_change","pause":0.05})"); break;
      case 1: simulator_->control(R"({"do":"cut"})"); break;
      case 2: simulator_->control(R"({"do":"silence"})"); break;
      case 3: simulator_->control(R"({"do":"agent_lost")" + agent); break;
      case 4: simulator_->control(R"({"do":"agent_gone")" + agent); break;
      case 5: simulator_->control(R"({"do":"rescind"})"); break;
      case 6: simulator_->control(R"({"do":"forget_offers"})"); break;
      case 7:
        simulator_->control(R"({"do":"faults","drop":0.1,"duplicate":0.3,"delay":0.1})");
        break;
      case 8: simulator_->control(R"({"do":"end_task"})"); break;
      default: crash_ = true; break;
    }
  }
  void repair() {
    simulator_->control(R"({"do":"faults","drop":0,"duplicate":0,"delay":0})");
    for (int i = 0; i < kAgents; ++i) {
      simulator_->control(R"({"do":"agent_back","number":)" + std::to_string(i) + "}");
    }
  }
  // Those whose death was told are not ours any more.
  void bury() {
    std::vector<ContainerDied> dead;
    {
      const std::lock_guard lock(mutex_);
      dead.swap(deaths_);
    }
    for (const ContainerDied& death : dead) {
      EXPECT_EQ(told_.count(death.id), 0u) << "told twice of " << death.id;
      told_.insert(death.id);
      if (held_.erase(death.id) > 0) (void)await(factory().destroy(death.id, later()));
    }
  }
  std::set<std::string> running() {
    std::set<std::string> ids;
    const auto state = simulator_->state();
    for (const auto& [id, task] : state.at("tasks").as_object()) {
      const auto& name = task.at("state").as_string();
      if (name == "TASK_RUNNING" || name == "TASK_STARTING" || name == "TASK_STAGING" ||
          name == "TASK_KILLING") {
        ids.insert(std::string(id));
      }
    }
    return ids;
  }
  std::set<std::string> known() {
    std::set<std::string> ids;
    const auto listed = list();
    EXPECT_TRUE(listed);
    for (const ContainerInfo& info : *listed) {
      if (info.state != ContainerState::kDead)
        EXPECT_TRUE(ids.insert(info.id).second) << "listed twice";
    }
    return ids;
  }

  std::mt19937_64 random_;
  std::map<std::string, std::string> held_;  // id -> address, of what was handed out
  std::set<std::string> told_;
  bool crash_ = false;
};

TEST_F(MesosFaults, LoseAndLeakNothing) {
  const char* given = std::getenv("BERTH_FAULT_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
  const char* soak = std::getenv("BERTH_SOAK");
  const int faults = soak != nullptr && std::string(soak) == "1" ? 1000 : 30;
  std::printf("BERTH_FAULT_SEED=%llu, %d faults\n", static_cast<unsigned long long>(seed), faults);
  std::fflush(stdout);
  random_.seed(seed);
  simulate({"--masters", "3", "--agents", std::to_string(kAgents), "--heartbeat", "0.3", "--cpus",
            "16"});
  ASSERT_TRUE(open(kSettings));
  int created = 0, failed = 0;
  for (int n = 0; n < faults; ++n) {
    std::vector<std::future<Result<ContainerInfo>>> creates;
    for (std::size_t i = 0, count = 1 + pick(4); i < count; ++i) {
      creates.push_back(begin(
          factory().create(request("f-" + std::to_string(n) + "-" + std::to_string(i)), later())));
    }
    std::vector<std::future<Result<void>>> destroys;
    for (auto it = held_.begin(); it != held_.end();) {
      if (pick(3) > 0) {
        ++it;
        continue;
      }
      destroys.push_back(begin(factory().destroy(it->first, later())));
      it = held_.erase(it);
    }
    fault();
    if (pick(2) == 0) repair();
    for (auto& one : destroys) {
      const auto done = one.get();
      EXPECT_TRUE(done || done.error().code() == StatusCode::kNotFound) << done.error().to_string();
    }
    for (auto& one : creates) {
      auto made = one.get();
      if (!made) {
        ++failed;
        continue;
      }
      ++created;
      EXPECT_TRUE(held_.emplace(made->id, made->address).second) << "handed out twice";
    }
    bury();
    if (std::exchange(crash_, false)) {
      close();
      ASSERT_TRUE(open(kSettings));
    }
    if (pick(2) == 0) repair();
  }
  repair();
  // All that is held runs and is listed; nothing else is there.
  std::set<std::string> in_cluster, in_plugin, expected;
  const bool settled = eventually([&] {
    bury();
    in_cluster = running();
    in_plugin = known();
    expected.clear();
    for (const auto& [id, address] : held_) expected.insert(id);
    // What died while berthd was down is not told of: it is not listed any more.
    std::erase_if(held_, [&](const auto& entry) {
      return in_plugin.count(entry.first) == 0 && in_cluster.count(entry.first) == 0;
    });
    return in_cluster == in_plugin && in_plugin == expected;
  });
  EXPECT_TRUE(settled);
  EXPECT_EQ(in_cluster, in_plugin);
  EXPECT_EQ(in_plugin, expected);
  EXPECT_GT(created, faults / 2) << failed << " failed";
  std::printf("%d created, %d failed, %zu running at the end\n", created, failed, expected.size());
  const auto after = create(request("after"));
  EXPECT_TRUE(after) << after.error().to_string();
}

}  // namespace
}  // namespace berth::plugin
