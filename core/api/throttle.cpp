// SPDX-License-Identifier: Apache-2.0
#include "api/throttle.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace berth::api {

void Throttle::Usage::advance(std::int64_t to) {
  // Slots that nobody used since they were last this second's.
  for (std::int64_t passed = std::min(to - second, kSlots); passed > 0; --passed) {
    std::uint32_t& slot = slots[static_cast<std::size_t>((to - passed + 1) % kSlots)];
    total -= slot;
    slot = 0;
  }
  second = std::max(second, to);
}

std::chrono::seconds Throttle::Usage::wait_for_room() const {
  for (std::int64_t age = kSlots - 1; age > 0; --age) {
    const std::int64_t then = second - age;
    if (then >= 0 && slots[static_cast<std::size_t>(then % kSlots)] > 0) {
      return std::chrono::seconds(kSlots - age);
    }
  }
  return std::chrono::seconds(kSlots);
}

void Throttle::forget_idle(std::int64_t second) {
  if (second - cleaned_at_ < kSlots) return;
  cleaned_at_ = second;
  std::erase_if(usage_, [second](const auto& entry) {
    return second - entry.second.second >= kSlots && *entry.second.running == 0;
  });
}

Checked<Throttle::Place> Throttle::enter(const std::string& namespace_uuid,
                                         const Throttles& allowed, std::int64_t now_ms) {
  const std::int64_t second = now_ms / 1000;
  const std::lock_guard lock(mutex_);
  forget_idle(second);
  Usage& usage = usage_[namespace_uuid];
  usage.advance(second);
  if (allowed.invocations_per_minute && usage.total >= *allowed.invocations_per_minute) {
    Failure failure(429, fmt::format("Too many requests in the last minute (count: {}, allowed: "
                                     "{}).",
                                     usage.total + 1, *allowed.invocations_per_minute));
    failure.retry_after = usage.wait_for_room();
    return failure;
  }
  const std::int64_t running = *usage.running;
  if (allowed.concurrent_invocations && running >= *allowed.concurrent_invocations) {
    return Failure{429,
                   fmt::format("Too many concurrent requests in flight (count: {}, allowed: {}).",
                               running, *allowed.concurrent_invocations)};
  }
  ++usage.slots[static_cast<std::size_t>(usage.second % kSlots)];
  ++usage.total;
  return Place(usage.running);
}

Throttle::Count Throttle::count(const std::string& namespace_uuid, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto found = usage_.find(namespace_uuid);
  if (found == usage_.end()) return {};
  found->second.advance(now_ms / 1000);
  return {found->second.total, *found->second.running};
}

}  // namespace berth::api
