// SPDX-License-Identifier: Apache-2.0
// AgentTrust: which agents have lately failed to start what they were given.
//
// An agent whose disk is full or whose container engine is broken fails at once, is free at once,
// and with that gets the next task too: without this, it eats all launches of a cluster. One that
// is doubted gets tasks only where no other has room; for a second after its first failure, twice
// as long after each further one, a minute at most. A task that starts clears it.
//
// Not thread-safe.
#pragma once

#include <string>
#include <unordered_map>

#include "mesos/scheduler/settings.hpp"

namespace berth::mesos {

class AgentTrust {
 public:
  // A launch failed there, and not by its image's fault. How many in a row that makes.
  unsigned failed(const std::string& agent, SteadyTime now);
  void started(const std::string& agent) { doubts_.erase(agent); }
  bool doubted(const std::string& agent, SteadyTime now) const;
  std::size_t doubts(SteadyTime now) const;

 private:
  struct Doubt {
    unsigned failures = 0;
    SteadyTime until;
  };
  // Forgets agents that have not been heard of for long: they may be gone.
  void forget(SteadyTime now);

  std::unordered_map<std::string, Doubt> doubts_;
};

}  // namespace berth::mesos
