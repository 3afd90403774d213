// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/task_state.hpp"

#include <charconv>
#include <string_view>

namespace berth::mesos {
namespace {

using v1::TaskStatus;

// The number behind `words` in `text`, or -1.
int number_after(std::string_view text, std::string_view words) {
  const std::size_t at = text.find(words);
  if (at == std::string_view::npos) return -1;
  int number = -1;
  std::from_chars(text.data() + at + words.size(), text.data() + text.size(), number);
  return number;
}

// "Command terminated with signal Terminated", as the executors print it.
int signal_in(std::string_view text) {
  constexpr std::string_view kWords = "terminated with signal ";
  const std::size_t at = text.find(kWords);
  if (at == std::string_view::npos) return -1;
  const std::string_view name = text.substr(at + kWords.size());
  struct Named {
    std::string_view name;
    int number;
  };
  constexpr Named kSignals[] = {{"Hangup", 1}, {"Interrupt", 2},           {"Aborted", 6},
                                {"Killed", 9}, {"Segmentation fault", 11}, {"Terminated", 15}};
  for (const Named& signal : kSignals) {
    if (name.starts_with(signal.name)) return signal.number;
  }
  return -1;
}

// Made by the master of a task that no agent ever started.
bool never_started(const TaskStatus& status) {
  if (status.state() == v1::TASK_DROPPED) return true;
  if (status.state() != v1::TASK_LOST && status.state() != v1::TASK_GONE &&
      status.state() != v1::TASK_GONE_BY_OPERATOR) {
    return false;
  }
  return status.source() == TaskStatus::SOURCE_MASTER ||
         status.reason() == TaskStatus::REASON_AGENT_RESTARTED;
}

}  // namespace

bool is_terminal(v1::TaskState state) {
  switch (state) {
    case v1::TASK_FINISHED:
    case v1::TASK_FAILED:
    case v1::TASK_KILLED:
    case v1::TASK_ERROR:
    case v1::TASK_LOST:
    case v1::TASK_DROPPED:
    case v1::TASK_GONE:
    case v1::TASK_GONE_BY_OPERATOR: return true;
    default: return false;
  }
}

Step advance(Phase phase, const TaskStatus& status, bool wait_until_healthy) {
  const bool unborn = phase == Phase::kLaunching || phase == Phase::kStarting;
  if (phase == Phase::kEnded) return {Phase::kEnded, Act::kNone};
  if (is_terminal(status.state())) {
    if (unborn && never_started(status)) return {Phase::kEnded, Act::kRelaunch};
    return {Phase::kEnded, Act::kEnded};
  }
  switch (status.state()) {
    case v1::TASK_STAGING:
    case v1::TASK_STARTING:
      if (phase == Phase::kLaunching) return {Phase::kStarting, Act::kNone};
      if (phase == Phase::kKilling) return {phase, Act::kKillAgain};
      return {phase, Act::kNone};
    case v1::TASK_RUNNING:
      if (phase == Phase::kKilling) return {phase, Act::kKillAgain};
      if (phase == Phase::kUnreachable) return {Phase::kRunning, Act::kRecovered};
      if (phase == Phase::kRunning) return {phase, Act::kNone};
      if (wait_until_healthy && !status.healthy()) return {Phase::kStarting, Act::kNone};
      return {Phase::kRunning, Act::kStarted};
    case v1::TASK_KILLING: return {Phase::kKilling, Act::kNone};
    case v1::TASK_UNREACHABLE:
      // One that is killed is as gone as can be; if it comes back it is nobody's and killed then.
      if (phase == Phase::kKilling) return {Phase::kEnded, Act::kEnded};
      if (unborn) return {Phase::kEnded, Act::kRelaunch};
      return {Phase::kUnreachable, phase == Phase::kUnreachable ? Act::kNone : Act::kLost};
    case v1::TASK_UNKNOWN:
      if (unborn) return {Phase::kEnded, Act::kRelaunch};
      return {Phase::kEnded, Act::kEnded};
    default: return {phase, Act::kNone};
  }
}

const char* to_string(Phase phase) {
  switch (phase) {
    case Phase::kLaunching: return "launching";
    case Phase::kStarting: return "starting";
    case Phase::kRunning: return "running";
    case Phase::kKilling: return "killing";
    case Phase::kUnreachable: return "unreachable";
    case Phase::kEnded: return "ended";
  }
  return "?";
}

std::string Ending::text() const {
  std::string text = v1::TaskState_Name(state);
  if (!reason.empty()) text += " (" + reason + ")";
  if (!message.empty()) text += ": " + message;
  return text;
}

Ending ending_of(const TaskStatus& status) {
  Ending ending;
  ending.state = status.state();
  if (status.has_reason()) ending.reason = TaskStatus::Reason_Name(status.reason());
  ending.message = status.message();
  while (!ending.message.empty() && ending.message.back() == '\n') ending.message.pop_back();
  ending.exit_code = number_after(ending.message, "exited with status ");
  if (const int signal = signal_in(ending.message); signal > 0) ending.exit_code = 128 + signal;
  ending.oom =
      status.reason() == TaskStatus::REASON_CONTAINER_LIMITATION_MEMORY && status.has_reason();
  return ending;
}

sdk::Status launch_error(const Ending& ending, const std::string& image, bool user_image) {
  const std::uint32_t theirs = user_image ? sdk::kUserError : 0;
  const std::string text = "image '" + image + "': " + ending.text();
  const std::string& message = ending.message;
  const auto says = [&](std::string_view words) {
    return message.find(words) != std::string::npos;
  };
  const bool pull = says(" pull ") || says("Failed to pull") || says("docker manifest") ||
                    says("Failed to fetch manifest") || says("image provision");
  if (pull && (ending.reason == "REASON_CONTAINER_LAUNCH_FAILED" || says("Failed to launch"))) {
    return sdk::Status(sdk::StatusCode::kNotFound, text, theirs);
  }
  switch (ending.state) {
    case v1::TASK_ERROR: {
      if (ending.reason == "REASON_TASK_UNAUTHORIZED") return sdk::permission_denied(text);
      return sdk::internal(text);
    }
    case v1::TASK_FAILED:
    case v1::TASK_FINISHED:
      // Docker itself could not run it: a taken port, a network that is not there.
      if (ending.exit_code == 125) return sdk::unavailable(text);
      if (ending.exit_code == 126 || ending.exit_code == 127) {
        return sdk::failed_precondition(text).with_flags(theirs);
      }
      if (ending.exit_code >= 0 || ending.oom) return sdk::aborted(text).with_flags(theirs);
      return sdk::unavailable(text);
    case v1::TASK_KILLED: return sdk::aborted(text).with_flags(theirs);
    default: return sdk::unavailable(text);
  }
}

}  // namespace berth::mesos
