// SPDX-License-Identifier: Apache-2.0
// `AlarmStore`: when which trigger is to be fired, so that the clock goes on where it was after a
// restart. One alarm a trigger. All calls are thread-safe and asynchronous, as in stores.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/stores.hpp"

namespace berth::store {

struct Alarm {
  std::string trigger;         // "ns/name"
  std::string namespace_name;  // whose it is; the alarm goes with it
  std::int64_t next_ms = 0;    // wall time; 0: it is paused, or has done all it had to do
  std::string body;            // what the clock knows of it; JSON text
};

class AlarmStore {
 public:
  virtual ~AlarmStore() = default;

  // In place of what the trigger had. OK: on disk.
  virtual void put_alarm(Executor on, Alarm alarm, Done<void> done) = 0;
  // Of one that is there, the rest of it untouched. NOT_FOUND: it went, with its namespace.
  virtual void set_next(Executor on, std::string trigger, std::int64_t next_ms,
                        Done<void> done) = 0;
  // Without effect if there is none.
  virtual void remove_alarm(Executor on, std::string trigger, Done<void> done) = 0;
  // One that cannot be decrypted has an empty body.
  virtual void alarms(Executor on, Done<std::vector<Alarm>> done) = 0;
};

}  // namespace berth::store
