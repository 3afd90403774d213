// SPDX-License-Identifier: Apache-2.0
// What a pool gets done that has more work than it can do.
#pragma once

#include <cstddef>
#include <cstdint>

namespace berth::bench {

struct Saturated {
  double per_second = 0;   // activations a second of the simulated world
  double cold_share = 0;   // of them: a container was started for them
  double wait_p99_ms = 0;  // for a container
};

// So many clients, each of which always has one activation under way: of an action by Zipf's law,
// 5 to 100 ms long. Starts take 200 ms and 50 ms to initialise. Measured for a minute after the
// first half.
Saturated measure_saturated(std::uint32_t actions, std::size_t clients, std::size_t containers);

}  // namespace berth::bench
