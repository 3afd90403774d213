// SPDX-License-Identifier: Apache-2.0
// What a namespace that asks for far more than there is does to one that asks once a second.
#pragma once

#include <string>

namespace berth::bench {

struct Noise {
  double quiet_p99_ms = 0;      // alone: from asking to the end of the activation
  double disturbed_p99_ms = 0;  // beside two hundred waiting activations of the other one
};

// In a simulated world. `new_actions`: the quiet one invokes another action each time, so that all
// its starts are cold.
Noise measure_noise(bool new_actions);

}  // namespace berth::bench
