// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/agent_trust.hpp"

#include <algorithm>

namespace berth::mesos {
namespace {

constexpr std::chrono::seconds kFirst{1};
constexpr std::chrono::seconds kLongest{60};
// So long after its doubt has ended an agent's failures still count as in a row.
constexpr std::chrono::minutes kMemory{10};
constexpr unsigned kMostDoublings = 6;

}  // namespace

unsigned AgentTrust::failed(const std::string& agent, SteadyTime now) {
  forget(now);
  Doubt& doubt = doubts_[agent];
  const auto pause = kFirst * (1u << std::min(doubt.failures, kMostDoublings));
  doubt.until = now + std::min<std::chrono::seconds>(pause, kLongest);
  return ++doubt.failures;
}

bool AgentTrust::doubted(const std::string& agent, SteadyTime now) const {
  const auto found = doubts_.find(agent);
  return found != doubts_.end() && now < found->second.until;
}

std::size_t AgentTrust::doubts(SteadyTime now) const {
  return static_cast<std::size_t>(std::count_if(
      doubts_.begin(), doubts_.end(), [&](const auto& one) { return now < one.second.until; }));
}

void AgentTrust::forget(SteadyTime now) {
  std::erase_if(doubts_, [&](const auto& one) { return now > one.second.until + kMemory; });
}

}  // namespace berth::mesos
