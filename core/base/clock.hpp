// SPDX-License-Identifier: Apache-2.0
// The one source of time. Wall time is for records, steady time for durations and deadlines; both
// come from one injected Clock so that tests own time.
#pragma once

#include <chrono>
#include <cstdint>

namespace berth {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime steady_now() const = 0;
  virtual WallTime wall_now() const = 0;

  // Milliseconds since the epoch, as records have it.
  std::int64_t wall_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(wall_now().time_since_epoch())
        .count();
  }
};

// The machine's clocks. Lives for ever.
const Clock& system_clock();

// Nanoseconds of CLOCK_MONOTONIC, as the plugin boundary has deadlines.
inline std::uint64_t monotonic_ns(SteadyTime time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

}  // namespace berth
