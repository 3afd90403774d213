// SPDX-License-Identifier: Apache-2.0
// The life of a task, why a launch failed, and which agents are doubted for it.
#include "mesos/tasks/task_state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesos/tasks/agent_trust.hpp"

namespace berth::mesos {
namespace {

using ::testing::HasSubstr;
using S = v1::TaskStatus;

v1::TaskStatus status(v1::TaskState state, S::Source source = S::SOURCE_EXECUTOR,
                      std::optional<S::Reason> reason = std::nullopt, std::string message = "") {
  v1::TaskStatus s;
  s.set_state(state);
  s.set_source(source);
  if (reason) s.set_reason(*reason);
  if (!message.empty()) s.set_message(message);
  return s;
}

TEST(TaskState, FollowsTheTable) {
  using P = Phase;
  using A = Act;
  struct Row {
    Phase from;
    v1::TaskStatus status;
    Phase to;
    Act act;
  };
  const auto master = S::SOURCE_MASTER;
  const std::vector<Row> rows = {
      // A launch that goes well.
      {P::kLaunching, status(v1::TASK_STAGING), P::kStarting, A::kNone},
      {P::kLaunching, status(v1::TASK_STARTING), P::kStarting, A::kNone},
      {P::kLaunching, status(v1::TASK_RUNNING), P::kRunning, A::kStarted},
      {P::kStarting, status(v1::TASK_STARTING), P::kStarting, A::kNone},
      {P::kStarting, status(v1::TASK_RUNNING), P::kRunning, A::kStarted},
      // And one that does not.
      {P::kLaunching, status(v1::TASK_FAILED, S::SOURCE_AGENT), P::kEnded, A::kEnded},
      {P::kStarting, status(v1::TASK_FAILED), P::kEnded, A::kEnded},
      {P::kLaunching, status(v1::TASK_ERROR, master), P::kEnded, A::kEnded},
      {P::kStarting, status(v1::TASK_KILLED), P::kEnded, A::kEnded},
      // It never started: its offer was stale, its agent went.
      {P::kLaunching, status(v1::TASK_LOST, master), P::kEnded, A::kRelaunch},
      {P::kLaunching, status(v1::TASK_DROPPED, master), P::kEnded, A::kRelaunch},
      {P::kStarting, status(v1::TASK_LOST, master), P::kEnded, A::kRelaunch},
      {P::kStarting, status(v1::TASK_UNREACHABLE, master), P::kEnded, A::kRelaunch},
      {P::kLaunching, status(v1::TASK_UNKNOWN, master), P::kEnded, A::kRelaunch},
      {P::kStarting, status(v1::TASK_GONE_BY_OPERATOR, master), P::kEnded, A::kRelaunch},
      // Running.
      {P::kRunning, status(v1::TASK_RUNNING), P::kRunning, A::kNone},
      {P::kRunning, status(v1::TASK_STARTING), P::kRunning, A::kNone},
      {P::kRunning, status(v1::TASK_KILLING), P::kKilling, A::kNone},
      {P::kRunning, status(v1::TASK_FINISHED), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_FAILED), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_LOST, master), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_GONE, master), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_GONE_BY_OPERATOR, master), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_UNKNOWN, master), P::kEnded, A::kEnded},
      {P::kRunning, status(v1::TASK_UNREACHABLE, master), P::kUnreachable, A::kLost},
      // Out of sight, and back or not.
      {P::kUnreachable, status(v1::TASK_UNREACHABLE, master), P::kUnreachable, A::kNone},
      {P::kUnreachable, status(v1::TASK_RUNNING, master), P::kRunning, A::kRecovered},
      {P::kUnreachable, status(v1::TASK_FAILED), P::kEnded, A::kEnded},
      {P::kUnreachable, status(v1::TASK_GONE, master), P::kEnded, A::kEnded},
      {P::kUnreachable, status(v1::TASK_UNKNOWN, master), P::kEnded, A::kEnded},
      // Killed.
      {P::kKilling, status(v1::TASK_STARTING), P::kKilling, A::kKillAgain},
      {P::kKilling, status(v1::TASK_RUNNING), P::kKilling, A::kKillAgain},
      {P::kKilling, status(v1::TASK_KILLING), P::kKilling, A::kNone},
      {P::kKilling, status(v1::TASK_KILLED), P::kEnded, A::kEnded},
      {P::kKilling, status(v1::TASK_FAILED), P::kEnded, A::kEnded},
      {P::kKilling, status(v1::TASK_LOST, master), P::kEnded, A::kEnded},
      {P::kKilling, status(v1::TASK_UNREACHABLE, master), P::kEnded, A::kEnded},
      {P::kEnded, status(v1::TASK_RUNNING), P::kEnded, A::kNone},
  };
  for (const Row& row : rows) {
    const Step step = advance(row.from, row.status, false);
    const std::string what =
        std::string(to_string(row.from)) + " + " + v1::TaskState_Name(row.status.state());
    EXPECT_EQ(step.phase, row.to) << what << " -> " << to_string(step.phase);
    EXPECT_EQ(step.act, row.act) << what;
  }
}

TEST(TaskState, WaitsForHealth) {
  v1::TaskStatus running = status(v1::TASK_RUNNING);
  EXPECT_EQ(advance(Phase::kStarting, running, true).act, Act::kNone);
  running.set_healthy(false);
  EXPECT_EQ(advance(Phase::kStarting, running, true).phase, Phase::kStarting);
  running.set_healthy(true);
  EXPECT_EQ(advance(Phase::kStarting, running, true).act, Act::kStarted);
}

TEST(TaskState, TellsHowATaskEnded) {
  Ending e = ending_of(
      status(v1::TASK_FAILED, S::SOURCE_EXECUTOR, {}, "Container exited with status 137"));
  EXPECT_EQ(e.exit_code, 137);
  e = ending_of(status(v1::TASK_FAILED, S::SOURCE_EXECUTOR, {}, "Command exited with status 1"));
  EXPECT_EQ(e.exit_code, 1);
  e = ending_of(
      status(v1::TASK_KILLED, S::SOURCE_EXECUTOR, {}, "Command terminated with signal Terminated"));
  EXPECT_EQ(e.exit_code, 143);
  EXPECT_FALSE(e.oom);
  e = ending_of(status(v1::TASK_FAILED, S::SOURCE_AGENT, S::REASON_CONTAINER_LIMITATION_MEMORY,
                       "Memory limit exceeded"));
  EXPECT_TRUE(e.oom);
  EXPECT_EQ(e.exit_code, -1);
  EXPECT_EQ(e.text(), "TASK_FAILED (REASON_CONTAINER_LIMITATION_MEMORY): Memory limit exceeded");
}

TEST(TaskState, TellsWhoseFaultALaunchWas) {
  const auto error = [](v1::TaskState state, std::optional<S::Reason> reason, std::string message,
                        bool user = true) {
    return launch_error(ending_of(status(state, S::SOURCE_AGENT, reason, std::move(message))),
                        "im:1", user);
  };
  sdk::Status s =
      error(v1::TASK_FAILED, S::REASON_CONTAINER_LAUNCH_FAILED,
            "Failed to launch container: Failed to run 'docker -H unix:///var/run/docker.sock pull "
            "im:1': exited with status 1; stderr='no such image'");
  EXPECT_EQ(s.code(), sdk::StatusCode::kNotFound);
  EXPECT_TRUE(s.user_error());
  EXPECT_THAT(s.message(), HasSubstr("no such image"));
  s = error(v1::TASK_FAILED, S::REASON_CONTAINER_LAUNCH_FAILED,
            "x pull im:1': exited with status 1", false);
  EXPECT_FALSE(s.user_error()) << "our own image is not its author's";
  s = error(v1::TASK_FAILED, {}, "Container exited with status 125");
  EXPECT_EQ(s.code(), sdk::StatusCode::kUnavailable);
  EXPECT_TRUE(s.retryable());
  EXPECT_FALSE(s.user_error());
  s = error(v1::TASK_FAILED, {}, "Container exited with status 127");
  EXPECT_EQ(s.code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(s.user_error());
  s = error(v1::TASK_FINISHED, {}, "Container exited with status 0");
  EXPECT_EQ(s.code(), sdk::StatusCode::kAborted);
  s = error(v1::TASK_ERROR, S::REASON_TASK_INVALID, "Task has duplicate ID: x");
  EXPECT_EQ(s.code(), sdk::StatusCode::kInternal);
  s = error(v1::TASK_LOST, S::REASON_AGENT_REMOVED, "Agent removed");
  EXPECT_TRUE(s.retryable());
}

TEST(AgentTrust, DoubtsLongerWithEachFailureInARow) {
  using namespace std::chrono_literals;
  AgentTrust trust;
  SteadyTime now = std::chrono::steady_clock::now();
  EXPECT_FALSE(trust.doubted("a", now));
  for (const auto pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    trust.failed("a", now);
    EXPECT_TRUE(trust.doubted("a", now + pause - 1ms));
    EXPECT_FALSE(trust.doubted("a", now + pause));
    EXPECT_FALSE(trust.doubted("b", now));
    EXPECT_EQ(trust.doubts(now), 1u);
    now += pause;
  }
  trust.started("a");
  EXPECT_EQ(trust.failed("a", now), 1u) << "one that starts clears it";
  EXPECT_EQ(trust.failed("b", now + 1h), 1u);
  EXPECT_EQ(trust.failed("a", now + 1h), 1u) << "long ago is not in a row";
}

}  // namespace
}  // namespace berth::mesos
