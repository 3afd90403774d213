// SPDX-License-Identifier: Apache-2.0
// Times in milliseconds, smoothed over the last ten or so measurements.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace berth::container {

// `smoothed` in milliseconds; 0 means that nothing is known, so a known one is never quite 0.
inline void smooth(float& smoothed, std::chrono::nanoseconds measured) {
  const float ms = std::max(0.001f, static_cast<float>(measured.count()) * 1e-6f);
  smoothed = smoothed == 0 ? ms : smoothed + (ms - smoothed) / 8;
}

inline std::chrono::nanoseconds to_time(float ms) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6f));
}

}  // namespace berth::container
