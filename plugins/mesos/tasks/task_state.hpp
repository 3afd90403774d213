// SPDX-License-Identifier: Apache-2.0
// The life of a task as its scheduler sees it: what each status update makes of it. Pure functions.
#pragma once

#include <string>

#include "berth/sdk/status.hpp"
#include "berth_mesos_v1.pb.h"

namespace berth::mesos {

enum class Phase {
  kLaunching,  // accepted an offer for it, nothing heard
  kStarting,   // staging or starting, or running but not yet healthy
  kRunning,
  kKilling,      // somebody kills it
  kUnreachable,  // was running; its agent is out of sight
  kEnded,        // will not run any more
};

enum class Act {
  kNone,
  kStarted,    // runs for the first time
  kRecovered,  // was out of sight and runs
  kLost,       // went out of sight
  kEnded,      // is over, or its launch failed
  kRelaunch,   // never started, through no fault of its own: another offer may do
  kKillAgain,  // runs though it was killed
};

struct Step {
  Phase phase;
  Act act;
};

// `wait_until_healthy`: running counts only with healthy = true.
Step advance(Phase phase, const v1::TaskStatus& status, bool wait_until_healthy);

// Whether a task in this state will never run again under its id.
bool is_terminal(v1::TaskState state);

const char* to_string(Phase phase);

// How a task ended.
struct Ending {
  v1::TaskState state = v1::TASK_LOST;
  std::string reason;   // "REASON_..." or empty
  std::string message;  // Mesos' own
  int exit_code = -1;   // 0..255, 128+N for signal N, -1 unknown
  bool oom = false;

  // For people: "TASK_FAILED (REASON_...): Container exited with status 7".
  std::string text() const;
};
Ending ending_of(const v1::TaskStatus& status);

// Why a launch failed, as the core wants to know it. `user_image`: the image is its author's.
sdk::Status launch_error(const Ending& ending, const std::string& image, bool user_image);

}  // namespace berth::mesos
