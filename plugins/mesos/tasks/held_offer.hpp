// SPDX-License-Identifier: Apache-2.0
// HeldOffer: an offer that is outstanding, out of which tasks take resources.
//
// Amounts are thousandths, as Mesos rounds them. Several resources of one name (reserved and not,
// of several reservations) count together; what a task takes is taken from the most reserved ones
// first and names each of them as it was offered. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "berth_mesos_v1.pb.h"
#include "mesos/tasks/constraint.hpp"

namespace berth::mesos {

// What a task needs of an agent.
struct Demand {
  std::int64_t cpus = 0;  // 1/1000 of a core
  std::int64_t mem = 0;   // 1/1000 of a MiB
  std::int64_t disk = 0;  // the same
  std::int64_t gpus = 0;
  std::uint32_t ports = 0;
  bool executor = false;  // besides, Mesos' default executor: kExecutorCpus, kExecutorMem
  // Shared by the tasks of a group, in the order of the configuration.
  std::shared_ptr<const std::vector<Constraint>> constraints;
  std::string group;  // whose tasks UNIQUE, CLUSTER and GROUP_BY count

  bool same_as(const Demand& other) const;
  // "0.25 cpus, 256 MB, 1 port".
  std::string text() const;
};

// What a default executor is given for itself: as much as Mesos asks for.
constexpr std::int64_t kExecutorCpus = 100;       // 0.1
constexpr std::int64_t kExecutorMem = 32 * 1000;  // 32 MB

class HeldOffer {
 public:
  HeldOffer(v1::Offer offer, std::chrono::steady_clock::time_point received);

  const v1::Offer& offer() const { return offer_; }
  const std::string& id() const { return offer_.id().value(); }
  const std::string& agent() const { return offer_.agent_id().value(); }
  const std::string& hostname() const { return offer_.hostname(); }
  const std::string& role() const { return role_; }
  std::chrono::steady_clock::time_point received() const { return received_; }

  std::int64_t cpus() const { return cpus_; }
  std::int64_t mem() const { return mem_; }
  std::int64_t disk() const { return disk_; }
  std::int64_t gpus() const { return gpus_; }
  std::uint64_t ports() const { return ports_; }
  bool fits(const Demand& demand) const;

  // The agent's attribute as text, or null. `hostname` is one.
  const std::string* attribute(const std::string& name) const;
  const std::map<std::string, std::string>& attributes() const { return attributes_; }

  // Takes what a task needs; it must fit. Appends the resources to name in its TaskInfo, and the
  // ports' numbers.
  void take(const Demand& demand, v1::TaskInfo& task, std::vector<std::uint32_t>& ports);
  // Takes what its executor needs, of a demand with one.
  void take(v1::ExecutorInfo& executor);

  std::size_t taken() const { return taken_; }  // tasks since it was offered

 private:
  std::int64_t* sum(const std::string& name);
  using Resources = google::protobuf::RepeatedPtrField<v1::Resource>;
  void take_scalar(const std::string& name, std::int64_t amount, Resources& into);
  void take_ports(std::uint32_t count, Resources& into, std::vector<std::uint32_t>& ports);

  v1::Offer offer_;  // its resources shrink
  std::chrono::steady_clock::time_point received_;
  std::string role_;
  std::map<std::string, std::string> attributes_;
  std::int64_t cpus_ = 0;
  std::int64_t mem_ = 0;
  std::int64_t disk_ = 0;
  std::int64_t gpus_ = 0;
  std::uint64_t ports_ = 0;
  std::size_t taken_ = 0;
};

// Thousandths of a scalar, rounded as Mesos does, and back.
std::int64_t to_thousandths(double value);
double from_thousandths(std::int64_t value);

}  // namespace berth::mesos
