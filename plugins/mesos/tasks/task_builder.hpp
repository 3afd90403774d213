// SPDX-License-Identifier: Apache-2.0
// TaskBuilder: what a request for a container becomes as a task. Replaceable: derive from it.
// Const access from several threads is fine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "berth/sdk/container_factory.hpp"
#include "berth_mesos_v1.pb.h"
#include "mesos/scheduler/scheduler.hpp"
#include "mesos/tasks/constraint.hpp"

namespace berth::mesos {

enum class ForcePull { kNever, kUserImages, kAlways };

struct TaskSettings {
  bool docker = true;              // else the Mesos containerizer
  bool task_group = false;         // each under a default executor of its own; Mesos containerizer
  std::string network = "bridge";  // or "host", or the name of a user-defined or CNI network
  std::uint32_t port = 8080;       // where proxies listen, but on the host's network
  sdk::Pairs parameters;           // words of docker run
  sdk::Pairs environment;
  sdk::Pairs labels;
  std::vector<std::string> uris;
  std::string image_credentials;  // a config.json; the Mesos containerizer's
  ForcePull force_pull = ForcePull::kNever;
  double cpus = 0;  // 0: by the request's CPU shares, of which 1024 are a core
  std::uint32_t disk_mb = 0;
  std::uint32_t gpus = 0;
  std::shared_ptr<const std::vector<Constraint>> constraints;
  std::shared_ptr<const std::vector<Constraint>> blackbox_constraints;
  std::shared_ptr<const v1::HealthCheck> health_check;
};

class TaskBuilder {
 public:
  virtual ~TaskBuilder() = default;
  virtual TaskSpec build(const sdk::CreateRequest& request) const = 0;
  // Where a running task's proxy is reached: "host:port", or "" if it has no address.
  virtual std::string address(const Task& task) const = 0;
};

// The one that does what `settings` say. INVALID_ARGUMENT cannot happen: they were checked.
std::unique_ptr<TaskBuilder> make_task_builder(TaskSettings settings);

}  // namespace berth::mesos
