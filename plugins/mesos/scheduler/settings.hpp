// SPDX-License-Identifier: Apache-2.0
// What a Scheduler is told of the cluster and of itself. A plain value.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "support/http/client.hpp"

namespace berth::mesos {

using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

struct Settings {
  // "http://host:port" of each master, or one "zk://[user:password@]host:port,.../path".
  std::vector<std::string> masters;
  support::http::Tls tls = {};
  std::string principal;  // empty: no authentication
  std::string secret;

  std::string framework_name = "berth";
  std::string user = "root";  // that tasks run as
  std::string hostname;       // of this scheduler, for Mesos' pages
  std::string webui_url;
  std::vector<std::string> roles = {"*"};
  // How long the cluster keeps the tasks of a scheduler that is gone.
  std::chrono::seconds failover_timeout{7 * 24 * 3600};
  bool checkpoint = true;  // tasks outlive a restart of their agent
  bool gpus = false;       // offers of agents with GPUs are wanted

  milliseconds connect_timeout{5'000};
  milliseconds subscribe_timeout{10'000};  // until the master's first bytes
  milliseconds call_timeout{10'000};
  unsigned missed_heartbeats = 2;  // after so many the master is taken for gone
  milliseconds backoff_min{100};   // before the second attempt to subscribe, jittered
  milliseconds backoff_max{10'000};

  milliseconds offer_hold{2'000};     // an offer nobody needs is kept so long
  milliseconds offer_refuse{5'000};   // and then not wanted again for so long
  milliseconds revive_interval{200};  // at least so long between two calls for offers
  milliseconds kill_retry{10'000};
  milliseconds kill_grace{1'000};          // from SIGTERM to SIGKILL
  milliseconds unreachable_after{10'000};  // a task out of sight so long is given up
  milliseconds reconcile_every{600'000};
  milliseconds drain_lead{30'000};  // tasks leave an agent so long before its maintenance
  unsigned launch_attempts = 5;     // of one launch whose offers turn out to be gone
};

}  // namespace berth::mesos
