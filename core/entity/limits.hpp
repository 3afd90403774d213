// SPDX-License-Identifier: Apache-2.0
// The limits of one action and the bounds that an operator sets for all of them.
// Source: OpenWhisk's limits (whisk.time-limit, whisk.memory, whisk.log-limit,
// whisk.concurrency-limit).
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>

#include "base/result.hpp"

namespace berth::entity {

struct Limits {
  std::int64_t timeout_ms = 60'000;
  std::int64_t memory_mb = 256;
  std::int64_t logs_mb = 10;
  std::int64_t concurrency = 1;

  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Bound {
  std::int64_t min;
  std::int64_t standard;
  std::int64_t max;
};

// What the operator allows: the system's bounds.
struct LimitBounds {
  Bound timeout_ms{100, 60'000, 300'000};
  Bound memory_mb{128, 256, 512};
  Bound logs_mb{0, 10, 10};
  Bound concurrency{1, 1, 1};
  std::uint64_t max_code_bytes = 48ull * 1024 * 1024;
  std::uint64_t max_parameters_bytes = 1024 * 1024;
  std::uint64_t max_annotations_bytes = 1024 * 1024;
  std::uint64_t max_payload_bytes = 1024 * 1024;
  std::uint64_t max_result_bytes = 1024 * 1024;
  std::int64_t max_blocking_wait_ms = 60'000;
  std::int64_t max_sequence_length = 50;  // actions, those of nested sequences counted in
  std::int64_t list_default = 30;
  std::int64_t list_max = 200;
};

// Reads a `limits` object over `base` (absent members keep their value). INVALID_ARGUMENT with
// OpenWhisk's words, e.g. "memory size 64 MB below allowed threshold of 128 MB".
Result<Limits> parse_limits(const boost::json::value& json, const Limits& base,
                            const LimitBounds& bounds);
// The same check of whole limits, as before a run: the operator may have lowered a bound since.
Status check_limits(const Limits& limits, const LimitBounds& bounds);
boost::json::object to_json(const Limits& limits);

}  // namespace berth::entity
