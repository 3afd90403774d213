// SPDX-License-Identifier: Apache-2.0
// When one alarm rings: what the parameters of a feed of /whisk.system/alarms say. A value.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "activation/time_zone.hpp"
#include "base/cron.hpp"
#include "base/result.hpp"

namespace berth::activation {

// The feeds: alarm (a cron expression), interval (every so many minutes), once (at a date).
enum class AlarmKind { kCron, kInterval, kOnce };
// "alarm", "interval", "once".
std::string_view to_string(AlarmKind kind);
std::optional<AlarmKind> parse_alarm_kind(std::string_view text);

class AlarmSchedule {
 public:
  // `config` has cron, minutes or date, and startDate and stopDate, which are ms since the epoch or
  // ISO 8601; with cron there may be a timezone, and strict. Times without a startDate count from
  // `created_ms`; `trigger` ("ns/name") says which second is its own. INVALID_ARGUMENT names the
  // parameter.
  static Result<AlarmSchedule> parse(AlarmKind kind, const boost::json::object& config,
                                     std::int64_t created_ms, std::string_view trigger);

  // The first ring after `after_ms`; nullopt: it has rung for the last time.
  std::optional<std::int64_t> next(std::int64_t after_ms) const;

 private:
  AlarmKind kind_ = AlarmKind::kCron;
  std::optional<Cron> cron_;
  std::optional<TimeZone> zone_;  // of cron_; none: UTC
  std::int64_t period_ms_ = 0;
  std::int64_t date_ms_ = 0;
  std::int64_t created_ms_ = 0;
  std::optional<std::int64_t> start_ms_;
  std::optional<std::int64_t> stop_ms_;
};

// What becomes of a trigger once its alarm has rung for the last time, by `deleteAfterFire` of
// `once`: false, true, or "rules": the trigger with the rules that it has.
enum class AfterFire { kKeep, kDeleteTrigger, kDeleteRulesToo };
// INVALID_ARGUMENT if it says something else.
Result<AfterFire> parse_after_fire(const boost::json::object& config);

// "2026-01-31T23:59:00.000Z", with or without fraction, Z or +hh:mm; or a number of ms. From 1970
// to the end of 9999, so that what is reckoned with it cannot overflow.
std::optional<std::int64_t> parse_date(const boost::json::value& value);

}  // namespace berth::activation
