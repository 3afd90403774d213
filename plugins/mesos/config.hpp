// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.mesos] table. A plain value once parsed. docs/plugins/mesos.md explains
// the keys.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/sdk/status.hpp"
#include "mesos/scheduler/settings.hpp"
#include "mesos/tasks/task_builder.hpp"

namespace berth::mesos {

struct Config {
  Settings scheduler;
  TaskSettings tasks;
  std::string matcher = "first-match";
  bool teardown_on_exit = true;
  bool read_logs = true;
  milliseconds launch_timeout{60'000};
  milliseconds start_timeout{30'000};

  // Reads the table over the defaults. INVALID_ARGUMENT names the key.
  static sdk::Status parse(std::string_view json, std::string_view instance, Config& config);
};

}  // namespace berth::mesos
