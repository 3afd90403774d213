// SPDX-License-Identifier: Apache-2.0
// The record of one activation. A value.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/action.hpp"

namespace berth::entity {

// OpenWhisk's statusCode.
enum class Outcome : int {
  kSuccess = 0,
  kApplicationError = 1,
  kDeveloperError = 2,
  kWhiskError = 3,
};

// "success", "application error", "action developer error", "whisk internal error".
std::string_view to_string(Outcome outcome);

struct Activation {
  std::string activation_id;
  std::string namespace_name;  // who invoked
  std::string namespace_uuid;
  std::string subject;
  std::string name;     // the action's name without package
  std::string version;  // of the action
  std::string path;     // "ns/[pkg/]name" of the action
  std::string cause;    // activation id of the sequence or trigger behind it, or empty
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t duration_ms = 0;
  Outcome outcome = Outcome::kSuccess;
  std::string result = "{}";  // JSON text, valid
  std::uint64_t size = 0;     // bytes of the raw response
  std::string annotations =
      "[]";  // JSON text, valid: limits, path, kind, timeout, waitTime, initTime...
  std::vector<std::string> logs;  // only for records whose logs are ids or lines of their own
};

// The full record as text, by template and not by tree: this is on the hot path. Logs are [] unless
// the record has some.
std::string to_json(const Activation& activation);
// The entry of a list.
std::string to_summary_json(const Activation& activation);
// {"status":…,"success":…,"result":…,"size":…}
std::string response_json(const Activation& activation);

}  // namespace berth::entity
