// SPDX-License-Identifier: Apache-2.0
// A create of MesosFactory that is under way. The loop's thread only.
#pragma once

#include "mesos/mesos_factory.hpp"
#include "support/connect_probe.hpp"

namespace berth::mesos {

struct MesosFactory::Creation {
  explicit Creation(sdk::Promise<sdk::ContainerInfo> promise) : done(std::move(promise)) {}

  sdk::Promise<sdk::ContainerInfo> done;
  SteadyTime begun;
  SteadyTime deadline;
  std::uint64_t launch = 0;
  std::string task;  // its id, once it runs
  std::string image;
  bool user_image = false;
  v1::StoredTask stored;
  std::unique_ptr<support::ConnectProbe> probe;
  std::unique_ptr<boost::asio::steady_timer> timer;
  bool listening = false;
  int sizes_wanted = 0;  // of log files, that are asked for
};

}  // namespace berth::mesos
