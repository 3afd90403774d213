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
  std::string instance = "0";  // [a-z0-9-]+: part of container names
  std::string owner;           // of this data directory, random: containers of others are let alone
  std::uint64_t memory_bytes = 2048ull * 1024 * 1024;  // for all containers, in whatever state
  std::size_t max_queue =
      4096;  // waiting activations; over it only from namespaces below their share
  std::chrono::milliseconds pause_grace{10'000};    // idle for so long: paused, if that works
  std::chrono::milliseconds idle_timeout{600'000};  // idle for so long: removed
  // So many idle containers of each action are kept until `keep_timeout` instead.
  std::uint32_t keep = 0;
  std::chrono::milliseconds keep_timeout{3'600'000};
  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds destroy_timeout{30'000};
  std::chrono::milliseconds pause_timeout{10'000};  // also of a resume
  // A container whose end is known may have answered before: so long an answer is waited for.
  std::chrono::milliseconds last_answer{500};

  // A start that failed is tried again where the factory says RETRYABLE (its engine is away for a
  // while): first after `start_retry`, doubled with each failure in a row up to `start_retry_max`,
  // for as long as the activation has waited less than `max_wait`.
  std::chrono::milliseconds start_retry{200};
  std::chrono::milliseconds start_retry_max{5'000};
  std::chrono::milliseconds max_wait{60'000};
  std::chrono::milliseconds prewarm_backoff_min{1'000};  // doubled with each failure in a row
  std::chrono::milliseconds prewarm_backoff_max{300'000};
  // A waiting activation may be overtaken by others that fit for so long; after it, room is made
  // for it by taking idle containers, and busy ones that served their action for at least
  // `residency`.
  std::chrono::milliseconds overtake_limit{200};
  std::chrono::milliseconds residency{200};
  // How often the number of prewarmed containers follows demand, where the manifest says so.
  std::chrono::milliseconds prewarm_interval{60'000};
  // Also from the starts of the same minute of the last hours.
  bool predict = false;
  // Namespaces share the memory evenly when they contend for it: what one uses within its share is
  // not taken for another that is above its own until it was idle for so long.
  std::chrono::milliseconds share_window{60'000};
  // Starts that take less are worth it whatever they displace; dearer ones only if the containers
  // that an action has would need longer for what waits.
  std::chrono::milliseconds cheap_start{20};
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
