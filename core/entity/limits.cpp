// SPDX-License-Identifier: Apache-2.0
#include "entity/limits.hpp"

#include <array>
#include <fmt/format.h>
#include <string>
#include <string_view>

#include "entity/json_read.hpp"

namespace berth::entity {
namespace {

struct Field {
  std::string_view key;
  std::string_view what;  // as the error calls it
  std::string_view unit;  // with its space
  std::int64_t Limits::*value;
  Bound LimitBounds::*bound;
};

constexpr std::array<Field, 4> kFields{{
    {"timeout", "duration", " milliseconds", &Limits::timeout_ms, &LimitBounds::timeout_ms},
    {"memory", "memory size", " MB", &Limits::memory_mb, &LimitBounds::memory_mb},
    {"logs", "log size", " MB", &Limits::logs_mb, &LimitBounds::logs_mb},
    {"concurrency", "concurrency", "", &Limits::concurrency, &LimitBounds::concurrency},
}};

Status check(const Field& field, std::int64_t value, const Bound& bound) {
  if (value < bound.min) {
    return sdk::invalid_argument(fmt::format("{0} {1}{2} below allowed threshold of {3}{2}",
                                             field.what, value, field.unit, bound.min));
  }
  if (value > bound.max) {
    return sdk::invalid_argument(fmt::format("{0} {1}{2} exceeds allowed threshold of {3}{2}",
                                             field.what, value, field.unit, bound.max));
  }
  return {};
}

}  // namespace

Result<Limits> parse_limits(const boost::json::value& json, const Limits& base,
                            const LimitBounds& bounds) {
  const auto* object = json.if_object();
  if (object == nullptr) return bad_json("/limits", "must be an object");
  Limits limits = base;
  for (const Field& field : kFields) {
    const auto* value = given(*object, field.key);
    if (value == nullptr) continue;
    const auto number = read_integer(*value, std::string("/limits/").append(field.key));
    if (!number) return number.error();
    if (Status status = check(field, *number, bounds.*field.bound); !status.ok()) return status;
    limits.*field.value = *number;
  }
  return limits;
}

Status check_limits(const Limits& limits, const LimitBounds& bounds) {
  for (const Field& field : kFields) {
    if (Status status = check(field, limits.*field.value, bounds.*field.bound); !status.ok()) {
      return status;
    }
  }
  return {};
}

boost::json::object to_json(const Limits& limits) {
  boost::json::object object;
  for (const Field& field : kFields) object.emplace(field.key, limits.*field.value);
  return object;
}

}  // namespace berth::entity
