// SPDX-License-Identifier: Apache-2.0
#include "activation/time_zone.hpp"

#include <algorithm>
#include <chrono>
#include <date/tz.h>
#include <exception>

namespace berth::activation {
namespace {

// Years 1 to 9999, roughly: what is reckoned with them overflows nothing.
constexpr std::int64_t kFirst = -62'000'000'000;
constexpr std::int64_t kLast = 253'402'300'800;

}  // namespace

Result<TimeZone> TimeZone::find(const std::string& name) {
  try {
    date::get_tzdb();
  } catch (const std::exception& error) {
    return sdk::unavailable(std::string("the system has no time zones, its package tzdata: ") +
                            error.what());
  }
  try {
    return TimeZone(date::locate_zone(name));
  } catch (const std::exception&) {
    return sdk::invalid_argument("there is no time zone '" + name.substr(0, 100) +
                                 "': give one as Europe/Berlin or UTC");
  }
}

TimeZone::Period TimeZone::at(std::int64_t utc_s) const {
  const auto when = date::sys_seconds(std::chrono::seconds(std::clamp(utc_s, kFirst, kLast)));
  const date::sys_info info = zone_->get_info(when);
  return {std::max<std::int64_t>(info.begin.time_since_epoch().count(), kFirst),
          std::min<std::int64_t>(info.end.time_since_epoch().count(), kLast + 1),
          info.offset.count()};
}

}  // namespace berth::activation
