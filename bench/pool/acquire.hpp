// SPDX-License-Identifier: Apache-2.0
// What it costs to get a warm container and to give it back, with that many in the pool.
#pragma once

#include <cstddef>

namespace berth::bench {

struct AcquireCost {
  double pool_ns = 0;   // acquire and release of a warm container, a random one of `containers`
  double floor_ns = 0;  // a hash look-up by name and a push and pop of a list, of as many
};

// Each of `containers` is of an action of its own.
AcquireCost measure_acquire(std::size_t containers, std::size_t operations);

}  // namespace berth::bench
