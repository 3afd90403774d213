// SPDX-License-Identifier: Apache-2.0
// What the clock knows of one trigger's alarm, and how that is kept. A value.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "activation/alarm_schedule.hpp"
#include "store/alarm_store.hpp"

namespace berth::activation {

struct AlarmEntry {
  std::string namespace_name;
  std::string namespace_uuid;  // whose it is: a namespace made anew by the same name is another one
  AlarmKind kind = AlarmKind::kCron;
  boost::json::object config;  // as alarm_config() leaves it
  std::int64_t created_ms = 0;
  bool paused = false;
  bool rung = false;           // for the last time, and its trigger was fired
  std::int64_t next_ms = 0;    // 0: it does not ring
  AlarmSchedule schedule{};    // of `config`
  std::uint64_t identity = 0;  // tells it from a later alarm of the same trigger; not kept
};

// Of a feed's arguments those that are an alarm's: cron, timezone, strict, minutes, date,
// deleteAfterFire, startDate, stopDate and trigger_payload.
boost::json::object alarm_config(const boost::json::object& arguments);

// As it is kept.
store::Alarm to_stored(const std::string& trigger, const AlarmEntry& entry);
// Back; `namespace_uuid` is empty if the row does not tell. INVALID_ARGUMENT, DATA_LOSS: it cannot
// ring.
Result<AlarmEntry> from_stored(const store::Alarm& alarm);

// What becomes of its trigger once it has rung for the last time.
AfterFire after_fire(const AlarmEntry& entry);

// The event: `trigger_payload`, an object or the JSON text of one. A JSON object.
std::string alarm_payload(const AlarmEntry& entry);

}  // namespace berth::activation
