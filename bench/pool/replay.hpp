// SPDX-License-Identifier: Apache-2.0
// Replays a trace against a pool whose containers take a set time to start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "trace.hpp"

namespace berth::bench {

struct Replay {
  double activations_per_cpu_second = 0;  // of the whole replay, simulation included
  double own_p50_us = 0;                  // our own time in one activation: acquire and release,
  double own_p99_us = 0;                  // and what they set off
  double own_p999_us = 0;
  double wait_p50_ms = 0;  // in the simulated world, for a container
  double wait_p99_ms = 0;
  double cold_share = 0;       // of the activations: a container was started for them
  double peak_containers = 0;  // at once
};

struct ReplayOptions {
  std::size_t containers = 128;   // what the pool has memory for
  std::string stem_cells = "[]";  // of the manifest
  bool predict = false;
};

Replay replay(const std::vector<Invocation>& trace, std::uint32_t actions,
              const ReplayOptions& options);

}  // namespace berth::bench
