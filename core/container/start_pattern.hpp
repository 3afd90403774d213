// SPDX-License-Identifier: Apache-2.0
// When, within an hour, starts happen: much of what is invoked comes by the clock (every hour,
// every ten minutes), and what came in a minute of the last hours is likely to come in it again. A
// value; not thread-safe.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace berth::container {

class StartPattern {
 public:
  static constexpr std::size_t kMinutes = 60;

  // So many starts happened in that minute of the hour. The last hour counts half, the one before
  // it a quarter, and so on.
  void learn(std::size_t minute, std::uint32_t starts) {
    float& known = minutes_[minute % kMinutes];
    known =
        learnt_ < kMinutes ? static_cast<float>(starts) : (known + static_cast<float>(starts)) / 2;
    if (learnt_ < kMinutes) ++learnt_;
  }
  // How many are to be expected; 0 in the first hour.
  std::uint32_t expected(std::size_t minute) const {
    if (learnt_ < kMinutes) return 0;
    return static_cast<std::uint32_t>(std::lround(minutes_[minute % kMinutes]));
  }

 private:
  std::array<float, kMinutes> minutes_{};
  std::size_t learnt_ = 0;  // minutes, of the first hour
};

}  // namespace berth::container
