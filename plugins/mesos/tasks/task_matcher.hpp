// SPDX-License-Identifier: Apache-2.0
// TaskMatcher: which pending task goes to which offer.
//
// Replaceable: derive from it and give it to the Scheduler. The three that are here share one
// search and differ in which of the offers that do they prefer:
//   first-match  the one that came first
//   best-fit     the one with the least memory left: whole agents stay free for large tasks
//   spread       the one with the most memory left: agents are loaded evenly
// Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mesos/tasks/held_offer.hpp"

namespace berth::mesos {

// Where the tasks of each group run: for each attribute how many have each value.
class GroupTable {
 public:
  // The counts of `group` for `attribute`.
  const ValueCounts& counts(const std::string& group, const std::string& attribute) const;
  void add(const std::string& group, const std::map<std::string, std::string>& attributes);
  void remove(const std::string& group, const std::map<std::string, std::string>& attributes);

 private:
  std::unordered_map<std::string, std::unordered_map<std::string, ValueCounts>> groups_;
};

class TaskMatcher {
 public:
  virtual ~TaskMatcher() = default;

  // Asked for each demand that waits, in the order in which they came, until it says no for all.
  // `place(task, offer)` takes out of the offer what the task needs and counts it into `groups`;
  // both are indices. A pair that does not fit or that a constraint forbids must not be placed.
  virtual void match(const std::vector<const Demand*>& pending, std::vector<HeldOffer*>& offers,
                     const GroupTable& groups,
                     const std::function<void(std::size_t task, std::size_t offer)>& place) = 0;
};

// "first-match", "best-fit" or "spread"; null for another name.
std::unique_ptr<TaskMatcher> make_matcher(std::string_view name);

// Whether every constraint of `demand` allows the offer's agent.
bool allowed(const Demand& demand, const HeldOffer& offer, const GroupTable& groups);

// Why a demand waits: "needs 0.25 cpus, 256 MB, 1 port: 3 offers, the best with 0.1 cpus ...".
std::string why_waiting(const Demand& demand, const std::vector<HeldOffer*>& offers,
                        const GroupTable& groups);

}  // namespace berth::mesos
