// SPDX-License-Identifier: Apache-2.0
// How far local time is from UTC, by the system's time zone database (Debian's package tzdata).
// Immutable; thread-safe. A copy is as good as the original.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace date {
class time_zone;
}

namespace berth::activation {

class TimeZone {
 public:
  // A stretch of time with one offset. In seconds since the epoch; far ends are far away, and
  // their milliseconds fit 64 bits.
  struct Period {
    std::int64_t begin_s = 0;
    std::int64_t end_s = 0;     // the first second that is not of it
    std::int64_t offset_s = 0;  // east of UTC
  };

  // "Europe/Berlin", "UTC". INVALID_ARGUMENT: the database has no zone of the name; UNAVAILABLE:
  // there is no database.
  static Result<TimeZone> find(const std::string& name);

  // The period that the time is in.
  Period at(std::int64_t utc_s) const;

 private:
  explicit TimeZone(const date::time_zone* zone) : zone_(zone) {}

  const date::time_zone* zone_;  // of the library's copy of the database, which stays
};

}  // namespace berth::activation
