// SPDX-License-Identifier: Apache-2.0
// The stock of prewarmed containers: how many are wanted, when they are made, and when they go.
#include <algorithm>
#include <fmt/format.h>

#include "base/log.hpp"
#include "container/container_pool.hpp"

namespace berth::container {

void ContainerPool::want_prewarmed() {
  for (const entity::Runtime& runtime : with_.manifest.runtimes()) {
    for (const entity::StemCell& cell : runtime.stem_cells) {
      SizeClass& size_class = find_class(runtime.kind, runtime.image, false, false,
                                         static_cast<std::uint64_t>(cell.memory_mb) * 1024 * 1024);
      if (std::find(prewarmed_classes_.begin(), prewarmed_classes_.end(), &size_class) ==
          prewarmed_classes_.end()) {
        prewarmed_classes_.push_back(&size_class);
        size_class.listed = true;
      }
      size_class.wanted +=
          static_cast<std::uint32_t>(std::max<std::int64_t>(0, cell.initial_count));
      if (cell.reactive) size_class.reactive = cell.reactive;
      size_class.reacted = size_class.wanted;
    }
  }
  for (SizeClass* size_class : prewarmed_classes_) ensure_prewarmed(*size_class);
}

// What is wanted follows the cold starts of the last interval, as OpenWhisk has it: each
// `threshold` of them ask for `increment`, between the least and the most.
void ContainerPool::follow_demand(SteadyTime now) {
  const bool due = now - demand_at_ >= options_.prewarm_interval;
  const auto minute = static_cast<std::size_t>(
      std::chrono::duration_cast<std::chrono::minutes>(with_.clock.wall_now().time_since_epoch())
          .count() %
      static_cast<std::int64_t>(StartPattern::kMinutes));
  const bool next_minute = minute != minute_ && minute_ < StartPattern::kMinutes;
  for (SizeClass* size_class : prewarmed_classes_) {
    if (next_minute) size_class->pattern.learn(minute_, std::exchange(size_class->demand, 0));
    if (!size_class->reactive || !(due || next_minute)) continue;
    const entity::ReactiveStemCell& rule = *size_class->reactive;
    std::int64_t wanted = size_class->reacted;
    if (due) {
      const std::int64_t times =
          size_class->cold_starts / std::max<std::int64_t>(1, rule.threshold);
      wanted = size_class->reacted = static_cast<std::uint32_t>(
          std::min(std::max(rule.min_count, times * rule.increment), rule.max_count));
      size_class->cold_starts = 0;
    }
    if (options_.predict) {
      // What this minute and the next one are likely to bring.
      for (const std::size_t when : {minute, minute + 1}) {
        wanted = std::max<std::int64_t>(wanted, size_class->pattern.expected(when));
      }
    }
    size_class->wanted = static_cast<std::uint32_t>(std::min(wanted, rule.max_count));
  }
  if (due) demand_at_ = now;
  minute_ = minute;
}

// Goes what is more than wanted and older than its time to live; the least number never does, so
// that nothing is made anew only because it grew old.
void ContainerPool::expire_stock(SteadyTime now) {
  for (SizeClass* size_class : prewarmed_classes_) {
    if (!size_class->reactive) continue;
    const std::chrono::milliseconds ttl(size_class->reactive->ttl_ms);
    while (size_class->stocked > size_class->wanted &&
           size_class->stock.back().last_used + ttl <= now) {
      remove(size_class->stock.back(), Event::kRemove, "prewarmed for too long");
    }
  }
  while (!stock_.empty() && stock_.front().last_used + options_.idle_timeout <= now) {
    Container& oldest = stock_.front();
    if (oldest.size_class->stocked > oldest.size_class->wanted) {
      remove(oldest, Event::kRemove, "idle for too long");
    } else {
      oldest.last_used = now;
      stock_.splice(stock_.end(), stock_, stock_.begin());
    }
  }
}

void ContainerPool::ensure_prewarmed(SizeClass& size_class) {
  if (stopping_ || !started_ || size_class.stocked + size_class.starting >= size_class.wanted)
    return;
  if (size_class.failures > 0 && with_.clock.steady_now() < size_class.not_before) return;
  // Only what nobody else needs: waiting activations come first, and nothing is removed for it.
  while (size_class.stocked + size_class.starting < size_class.wanted && needy_classes_.empty() &&
         balance() >= static_cast<std::int64_t>(size_class.memory_bytes) &&
         used_ + size_class.memory_bytes <= capacity_bytes_) {
    Container& container = add_container(size_class, StartKind::kPrewarmed);
    container.prewarm = true;
    ++size_class.starting;
    issue_create(container);
    // After a failure one at a time tries whether things are well again.
    if (size_class.failures > 0) return;
  }
}

void ContainerPool::prewarm_failed(SizeClass& size_class, std::string_view why) {
  const auto shift = std::min<std::uint32_t>(size_class.failures++, 16);
  const auto delay =
      std::min(options_.prewarm_backoff_max, options_.prewarm_backoff_min * (1 << shift));
  size_class.not_before = with_.clock.steady_now() + delay;
  size_class.last_error = why;
  log::warn("pool", "a prewarmed container failed; trying again later",
            {{"kind", size_class.kind},
             {"image", size_class.image},
             {"failures", fmt::to_string(size_class.failures)},
             {"again_in_ms", fmt::to_string(delay.count())},
             {"reason", why}});
}

}  // namespace berth::container
