// SPDX-License-Identifier: Apache-2.0
#include "api/throttle.hpp"

#include <fmt/format.h>

namespace berth::api {

void Throttle::forget_idle(std::int64_t minute) {
  if (cleaned_minute_ == minute) return;
  cleaned_minute_ = minute;
  std::erase_if(usage_, [minute](const auto& entry) {
    return entry.second.minute < minute && *entry.second.running == 0;
  });
}

Checked<Throttle::Place> Throttle::enter(const std::string& namespace_uuid, std::int64_t now_ms) {
  if (allowed_.invocations_per_minute <= 0 && allowed_.concurrent_invocations <= 0) return Place();
  const std::int64_t minute = now_ms / 60'000;
  forget_idle(minute);
  Usage& usage = usage_[namespace_uuid];
  if (usage.minute != minute) {
    usage.minute = minute;
    usage.invocations = 0;
  }
  ++usage.invocations;
  if (allowed_.invocations_per_minute > 0 && usage.invocations > allowed_.invocations_per_minute) {
    return Failure{429,
                   fmt::format("Too many requests in the last minute (count: {}, allowed: {}).",
                               usage.invocations, allowed_.invocations_per_minute)};
  }
  if (allowed_.concurrent_invocations > 0 && *usage.running >= allowed_.concurrent_invocations) {
    return Failure{429,
                   fmt::format("Too many concurrent requests in flight (count: {}, allowed: {}).",
                               *usage.running, allowed_.concurrent_invocations)};
  }
  return Place(usage.running);
}

}  // namespace berth::api
