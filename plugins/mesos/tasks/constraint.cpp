// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/constraint.hpp"

#include <algorithm>
#include <charconv>

namespace berth::mesos {

sdk::Status Constraint::parse(const std::vector<std::string>& words, Constraint& to) {
  if (words.size() < 2 || words.size() > 3) {
    return sdk::invalid_argument("a constraint has an attribute, a word and mostly a value");
  }
  to = Constraint();
  to.attribute_ = words[0];
  if (to.attribute_ == "@hostname") to.attribute_ = "hostname";
  if (words.size() == 3) to.value_ = words[2];
  const std::string& word = words[1];
  if (word == "LIKE" || word == "UNLIKE") {
    to.kind_ = word == "LIKE" ? Kind::kLike : Kind::kUnlike;
    if (words.size() != 3) return sdk::invalid_argument(word + " needs an expression");
    try {
      to.expression_ = std::make_shared<const std::regex>(
          to.value_, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error&) {
      return sdk::invalid_argument("'" + to.value_ + "' is no regular expression");
    }
  } else if (word == "UNIQUE") {
    to.kind_ = Kind::kUnique;
    if (words.size() != 2) return sdk::invalid_argument("UNIQUE takes no value");
  } else if (word == "CLUSTER") {
    to.kind_ = Kind::kCluster;
  } else if (word == "GROUP_BY") {
    to.kind_ = Kind::kGroupBy;
    const char* end = to.value_.data() + to.value_.size();
    if (!to.value_.empty() && std::from_chars(to.value_.data(), end, to.least_values_).ptr != end) {
      return sdk::invalid_argument("GROUP_BY takes a number of values");
    }
  } else {
    return sdk::invalid_argument("'" + word +
                                 "' is none of LIKE, UNLIKE, UNIQUE, CLUSTER, GROUP_BY");
  }
  return {};
}

bool Constraint::allows(const std::string* value, const ValueCounts& group) const {
  if (value == nullptr) return false;
  switch (kind_) {
    case Kind::kLike: return std::regex_match(*value, *expression_);
    case Kind::kUnlike: return !std::regex_match(*value, *expression_);
    case Kind::kUnique: return group.find(*value) == group.end();
    case Kind::kCluster:
      if (!value_.empty()) return *value == value_;
      return group.empty() || group.find(*value) != group.end();
    case Kind::kGroupBy: {
      const auto here = group.find(*value);
      if (here == group.end()) return true;
      if (group.size() < least_values_) return false;  // a new value first
      const auto least =
          std::min_element(group.begin(), group.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; });
      return here->second <= least->second;
    }
  }
  return false;
}

std::string Constraint::text() const {
  static constexpr const char* kWords[] = {"LIKE", "UNLIKE", "UNIQUE", "CLUSTER", "GROUP_BY"};
  std::string text = attribute_ + " " + kWords[static_cast<int>(kind_)];
  if (!value_.empty()) text += " " + value_;
  return text;
}

}  // namespace berth::mesos
