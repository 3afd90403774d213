// SPDX-License-Identifier: Apache-2.0
// Cron expressions, by a clock that is never put: "minute hour day month weekday", or with seconds
// before them. Fields have numbers, names (JAN, MON), lists, ranges, steps and *; Sunday is 0
// and 7. A day counts when it fits the day or the weekday, if neither is *. Immutable; thread-safe.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace berth {

class Cron {
 public:
  // INVALID_ARGUMENT names the field.
  static Result<Cron> parse(std::string_view text);

  // The first time after `after_ms`, in ms since the epoch; nullopt: there is none in the next
  // eight years, as for the 30th of February.
  std::optional<std::int64_t> next(std::int64_t after_ms) const;

  bool every_hour() const { return hours_.all(); }
  // Whether the text had a field for them.
  bool has_seconds() const { return has_seconds_; }
  // Instead of the seconds that it has: 0 to 59.
  void set_second(unsigned second);

 private:
  std::optional<std::int64_t> next_in_day(std::int64_t from_second) const;

  std::bitset<60> seconds_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<8> weekdays_;
  bool has_seconds_ = true;
  bool any_day_ = false;
  bool any_weekday_ = false;
};

}  // namespace berth
