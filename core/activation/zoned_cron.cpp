// SPDX-License-Identifier: Apache-2.0
#include "activation/zoned_cron.hpp"

#include <algorithm>

namespace berth::activation {
namespace {

// More than clocks are put in the years that Cron::next looks ahead.
constexpr int kMaxPeriods = 100;
constexpr std::int64_t kLastMs = 253'402'300'799'999;

}  // namespace

std::optional<std::int64_t> next_in_zone(const Cron& cron, const TimeZone& zone,
                                         std::int64_t after_ms) {
  std::int64_t from = std::max<std::int64_t>(after_ms, -1);
  if (from >= kLastMs) return std::nullopt;
  for (int tries = 0; tries < kMaxPeriods; ++tries) {
    const TimeZone::Period now = zone.at((from + 1) / 1000);
    const std::int64_t shift = now.offset_s * 1000;
    std::optional<std::int64_t> local = cron.next(from + shift);
    if (!cron.every_hour() && local && now.begin_s > 0) {
      const TimeZone::Period before = zone.at(now.begin_s - 1);
      const std::int64_t shown = (now.begin_s + before.offset_s) * 1000;
      if (*local < shown) local = cron.next(shown - 1);
    }
    if (!local) return std::nullopt;
    const std::int64_t end = now.end_s * 1000;
    if (*local - shift < end) return *local - shift;
    if (!cron.every_hour()) {
      const TimeZone::Period next = zone.at(now.end_s);
      if (*local < end + next.offset_s * 1000) return end;
    }
    from = end - 1;
  }
  return std::nullopt;
}

}  // namespace berth::activation
