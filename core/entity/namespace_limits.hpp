// SPDX-License-Identifier: Apache-2.0
// What an operator set for one namespace alone, over the bounds and throttles of all of them. Names
// are those of OpenWhisk's UserLimits. A value; immutable once it is shared.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/limits.hpp"

namespace berth::entity {

struct NamespaceLimits {
  using Number = std::optional<std::int64_t>;

  // Throttles: in place of the system's, more or less; 0: none at all.
  Number invocations_per_minute;
  Number concurrent_invocations;
  Number fires_per_minute;
  // Bounds of actions and sizes: never beyond the system's. Memory and logs in MB, times in ms,
  // sizes in bytes.
  Number min_memory_mb;
  Number max_memory_mb;
  Number min_logs_mb;
  Number max_logs_mb;
  Number min_timeout_ms;
  Number max_timeout_ms;
  Number max_concurrency;
  Number max_parameters_bytes;
  Number max_payload_bytes;
  // How many records of activations are kept, the newest.
  Number kept_activations;
  // Kinds of actions that it may create and invoke; not given: all.
  std::optional<std::vector<std::string>> allowed_kinds;

  bool allows_kind(std::string_view kind) const;

  friend bool operator==(const NamespaceLimits&, const NamespaceLimits&) = default;
};

// Reads `json` over `base`: members replace, null takes away. INVALID_ARGUMENT names the JSON
// pointer; members that nobody knows are errors.
Result<NamespaceLimits> parse_namespace_limits(const boost::json::value& json,
                                               const NamespaceLimits& base);
// Only what is set.
boost::json::object to_json(const NamespaceLimits& limits);
// The system's bounds, narrowed. `own` may be null.
LimitBounds narrow(const LimitBounds& system, const NamespaceLimits* own);

}  // namespace berth::entity
