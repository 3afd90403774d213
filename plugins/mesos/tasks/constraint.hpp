// SPDX-License-Identifier: Apache-2.0
// Constraint: on which agents a task may run, in Marathon's words.
//
//   ["rack", "LIKE", "r[12]"]   the attribute matches the expression as a whole
//   ["rack", "UNLIKE", "r3"]    it does not
//   ["hostname", "UNIQUE"]      at most one task of the group for each value
//   ["rack", "CLUSTER", "r1"]   all tasks of the group where the value is this one, or without a
//                               value where the first of them came to be
//   ["rack", "GROUP_BY", "3"]   spread evenly over the values, of which there are at least 3
//
// An agent without the attribute satisfies none of them. `hostname` (or `@hostname`) is the agent's
// name. Const access from several threads is fine.
#pragma once

#include <map>
#include <memory>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"

namespace berth::mesos {

// How many tasks of a group run where an attribute has each value.
using ValueCounts = std::map<std::string, std::size_t>;

class Constraint {
 public:
  enum class Kind { kLike, kUnlike, kUnique, kCluster, kGroupBy };

  // INVALID_ARGUMENT says what is wrong with it.
  static sdk::Status parse(const std::vector<std::string>& words, Constraint& to);

  const std::string& attribute() const { return attribute_; }
  Kind kind() const { return kind_; }
  // Whether what the group's other tasks run on matters.
  bool counts() const { return kind_ != Kind::kLike && kind_ != Kind::kUnlike; }

  // `value`: of the agent's attribute, null if it has none. `group`: where the group's tasks run.
  bool allows(const std::string* value, const ValueCounts& group) const;

  std::string text() const;

 private:
  std::string attribute_;
  Kind kind_ = Kind::kLike;
  std::string value_;
  std::size_t least_values_ = 0;
  std::shared_ptr<const std::regex> expression_;
};

}  // namespace berth::mesos
