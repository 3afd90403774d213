// SPDX-License-Identifier: Apache-2.0
// The scheduler without the plugin, on the simulator: what only a framework of its own uses.
#include "mesos/scheduler/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesos/scheduler/memory_store.hpp"
#include "simulator.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class SchedulerTest : public ::testing::Test, public Observer {
 protected:
  SchedulerTest() {
    Settings settings;
    settings.masters = simulator_.masters();
    scheduler_ = std::make_unique<Scheduler>(context_, std::move(settings), store_,
                                             make_matcher("first-match"), *this);
  }

  void on_ended(const Task& task, const Ending&) override { ended_.push_back(task.id); }
  void on_link(const sdk::Status&) override {}
  void on_note(const std::string&) override {}
  void on_message(const std::string& agent_id, const std::string& executor_id,
                  const std::string& data) override {
    messages_.push_back({agent_id, executor_id, data});
    context_.stop();
  }

  static TaskSpec spec(bool group) {
    TaskSpec spec;
    spec.name = "task";
    spec.as_group = spec.demand.executor = group;
    spec.demand.cpus = 100;
    spec.demand.mem = 32'000;
    spec.info.mutable_command()->set_value("sleep 1000");
    return spec;
  }

  // Runs the loop until somebody stops it.
  void run() {
    context_.restart();
    context_.run_for(60s);
  }
  std::string launched(bool group) {
    std::string id;
    scheduler_->launch(spec(group), std::chrono::steady_clock::now() + 60s,
                       [&](const sdk::Status& status, const Task* task) {
                         EXPECT_TRUE(status.ok()) << status.to_string();
                         if (task != nullptr) id = task->id;
                         context_.stop();
                       });
    run();
    return id;
  }

  berth::testing::Simulator simulator_;
  asio::io_context context_;
  MemoryStore store_{context_};
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::string> ended_;
  std::vector<std::array<std::string, 3>> messages_;
};

TEST_F(SchedulerTest, SendsAndGetsMessages) {
  scheduler_->start([this](const sdk::Status&) { context_.stop(); });
  run();
  const std::string id = launched(true);
  ASSERT_NE(scheduler_->find(id), nullptr);
  EXPECT_EQ(scheduler_->send_message("nobody", "x").code(), sdk::StatusCode::kNotFound);
  const std::string data("hello\0\xff", 7);
  ASSERT_TRUE(scheduler_->send_message(id, data).ok());
  run();
  ASSERT_EQ(messages_.size(), 1u);
  const Task& task = *scheduler_->find(id);
  EXPECT_THAT(messages_[0], ::testing::ElementsAre(task.agent_id, task.executor_id, data));
}

TEST_F(SchedulerTest, LaunchesGroupsAndSingleTasksOfOneOffer) {
  scheduler_->start([this](const sdk::Status&) { context_.stop(); });
  int running = 0;
  for (const bool group : {true, false, true, false}) {
    scheduler_->launch(spec(group), std::chrono::steady_clock::now() + 60s,
                       [&](const sdk::Status& status, const Task*) {
                         EXPECT_TRUE(status.ok()) << status.to_string();
                         if (++running == 4) context_.stop();
                       });
  }
  while (running < 4) run();
  int nested = 0;
  for (const auto& [id, task] : scheduler_->tasks()) nested += task->nested ? 1 : 0;
  EXPECT_EQ(nested, 2);
  EXPECT_THAT(ended_, ::testing::IsEmpty());
}

}  // namespace
}  // namespace berth::mesos
