// SPDX-License-Identifier: Apache-2.0
#include "entity/namespace_limits.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>

#include "entity/json_read.hpp"

namespace berth::entity {
namespace {

struct Field {
  std::string_view key;
  NamespaceLimits::Number NamespaceLimits::*value;
};

constexpr std::array<Field, 13> kFields{{
    {"invocationsPerMinute", &NamespaceLimits::invocations_per_minute},
    {"concurrentInvocations", &NamespaceLimits::concurrent_invocations},
    {"firesPerMinute", &NamespaceLimits::fires_per_minute},
    {"minActionMemory", &NamespaceLimits::min_memory_mb},
    {"maxActionMemory", &NamespaceLimits::max_memory_mb},
    {"minActionLogs", &NamespaceLimits::min_logs_mb},
    {"maxActionLogs", &NamespaceLimits::max_logs_mb},
    {"minActionTimeout", &NamespaceLimits::min_timeout_ms},
    {"maxActionTimeout", &NamespaceLimits::max_timeout_ms},
    {"maxActionConcurrency", &NamespaceLimits::max_concurrency},
    {"maxParameterSize", &NamespaceLimits::max_parameters_bytes},
    {"maxPayloadSize", &NamespaceLimits::max_payload_bytes},
    {"keptActivations", &NamespaceLimits::kept_activations},
}};
constexpr std::string_view kAllowedKinds = "allowedKinds";

std::string pointer(std::string_view key) {
  return std::string("/").append(key);
}

Result<std::vector<std::string>> read_kinds(const boost::json::value& json) {
  const auto* array = json.if_array();
  if (array == nullptr) return bad_json(pointer(kAllowedKinds), "must be an array of kinds");
  std::vector<std::string> kinds;
  for (const boost::json::value& kind : *array) {
    auto text = read_string(kind, pointer(kAllowedKinds) + '/' + std::to_string(kinds.size()));
    if (!text) return text.error();
    kinds.push_back(std::move(*text));
  }
  return kinds;
}

void narrow(Bound& bound, const NamespaceLimits::Number& min, const NamespaceLimits::Number& max) {
  if (max) bound.max = std::clamp(*max, bound.min, bound.max);
  if (min) bound.min = std::clamp(*min, bound.min, bound.max);
  bound.standard = std::clamp(bound.standard, bound.min, bound.max);
}

void narrow(std::uint64_t& bound, const NamespaceLimits::Number& max) {
  if (max) bound = std::min(bound, static_cast<std::uint64_t>(*max));
}

}  // namespace

bool NamespaceLimits::allows_kind(std::string_view kind) const {
  // Berth's own actions run nothing of the namespace's.
  return !allowed_kinds || kind == "builtin" ||
         std::find(allowed_kinds->begin(), allowed_kinds->end(), kind) != allowed_kinds->end();
}

Result<NamespaceLimits> parse_namespace_limits(const boost::json::value& json,
                                               const NamespaceLimits& base) {
  const auto* object = json.if_object();
  if (object == nullptr) return sdk::invalid_argument("the limits must be a JSON object");
  NamespaceLimits limits = base;
  for (const auto& member : *object) {
    const std::string_view key = member.key();
    const boost::json::value& value = member.value();
    if (key == kAllowedKinds) {
      limits.allowed_kinds.reset();
      if (value.is_null()) continue;
      auto kinds = read_kinds(value);
      if (!kinds) return kinds.error();
      limits.allowed_kinds = std::move(*kinds);
      continue;
    }
    const auto field =
        std::find_if(kFields.begin(), kFields.end(), [&](const Field& f) { return f.key == key; });
    if (field == kFields.end()) {
      std::string known(kAllowedKinds);
      for (const Field& each : kFields) known.append(", ").append(each.key);
      return bad_json(pointer(key), "is no limit of a namespace; there are " + known);
    }
    limits.*field->value = std::nullopt;
    if (value.is_null()) continue;
    const auto number = read_integer(value, pointer(key));
    if (!number) return number.error();
    if (*number < 0) return bad_json(pointer(key), "must not be negative");
    limits.*field->value = *number;
  }
  return limits;
}

boost::json::object to_json(const NamespaceLimits& limits) {
  boost::json::object object;
  for (const Field& field : kFields) {
    if (const auto& value = limits.*field.value) object.emplace(field.key, *value);
  }
  if (limits.allowed_kinds) {
    boost::json::array kinds;
    for (const std::string& kind : *limits.allowed_kinds) kinds.emplace_back(kind);
    object.emplace(kAllowedKinds, std::move(kinds));
  }
  return object;
}

LimitBounds narrow(const LimitBounds& system, const NamespaceLimits* own) {
  LimitBounds bounds = system;
  if (own == nullptr) return bounds;
  narrow(bounds.memory_mb, own->min_memory_mb, own->max_memory_mb);
  narrow(bounds.logs_mb, own->min_logs_mb, own->max_logs_mb);
  narrow(bounds.timeout_ms, own->min_timeout_ms, own->max_timeout_ms);
  narrow(bounds.concurrency, std::nullopt, own->max_concurrency);
  narrow(bounds.max_parameters_bytes, own->max_parameters_bytes);
  narrow(bounds.max_annotations_bytes, own->max_parameters_bytes);
  narrow(bounds.max_payload_bytes, own->max_payload_bytes);
  return bounds;
}

}  // namespace berth::entity
