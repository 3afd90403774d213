// SPDX-License-Identifier: Apache-2.0
// What an operator decides about the pool. A value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "plugin/container_factory.hpp"

namespace berth::container {

struct PoolOptions {
  std::string instance = "0";                          // [a-z0-9-]+: part of container names
  std::uint64_t memory_bytes = 2048ull * 1024 * 1024;  // for all containers, in whatever state
  std::size_t max_queue = 4096;                        // waiting activations; over it: refused
  std::chrono::milliseconds pause_grace{10'000};       // idle for so long: paused, if that works
  std::chrono::milliseconds idle_timeout{600'000};     // idle for so long: removed
  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds destroy_timeout{30'000};
  std::chrono::milliseconds pause_timeout{10'000};  // also of a resume

  std::uint32_t start_attempts = 3;  // of one activation, where the factory says RETRYABLE
  std::chrono::milliseconds start_retry{200};
  std::chrono::milliseconds prewarm_backoff_min{1'000};  // doubled with each failure in a row
  std::chrono::milliseconds prewarm_backoff_max{300'000};
  // A waiting activation may be overtaken by others that fit for so long; after it, room is made
  // for it by taking idle containers, and busy ones that served their action for at least
  // `residency`.
  std::chrono::milliseconds overtake_limit{200};
  std::chrono::milliseconds residency{200};
  std::chrono::milliseconds tick{100};

  std::size_t max_response_bytes = 1024 * 1024;
  std::uint32_t cpu_quota_millis_per_gb = 0;  // hard CPU limit by memory; 0: none
  std::uint32_t pids_limit = 0;
  plugin::Pairs environment;     // of every container, e.g. __OW_API_HOST
  plugin::Pairs log_parameters;  // LogStore::container_parameters
};

// OpenWhisk's formula: 1024 shares are the whole pool, at least 2.
std::uint32_t cpu_shares(std::uint64_t pool_memory_bytes, std::uint64_t memory_bytes);

}  // namespace berth::container
