// SPDX-License-Identifier: Apache-2.0
// `Resize` and `Stats`: derive from them beside ContainerFactory, and name BERTH_INTERFACE_RESIZE
// and BERTH_INTERFACE_STATS in BERTH_PROVIDES, to provide berth.resize/1 and berth.stats/1. What
// each call means is said in berth/plugin/container_optional.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "berth/plugin/container_optional.h"
#include "berth/sdk/promise.hpp"

namespace berth::sdk {

// The limits from now on, as in CreateRequest.
struct ResizeRequest {
  std::uint64_t memory_bytes = 0;
  std::uint32_t cpu_shares = 0;
  std::uint32_t cpu_quota_millis = 0;  // 0: no limit
};

class Resize {
 public:
  virtual ~Resize() = default;
  virtual void resize(std::string_view id, const ResizeRequest& request, Promise<void> done) = 0;
};

// -1: unknown.
struct ContainerStats {
  std::int64_t memory_bytes = -1;        // in use, without cached files that can be dropped at once
  std::int64_t memory_limit_bytes = -1;  // what is enforced
  std::int64_t cpu_ns = -1;              // since its start
  std::int64_t pids = -1;
};

class Stats {
 public:
  virtual ~Stats() = default;
  virtual void stats(std::string_view id, Promise<ContainerStats> done) = 0;
};

template <>
struct Wire<ContainerStats> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       const ContainerStats& stats) {
    const berth_container_stats wire{sizeof(berth_container_stats),
                                     0,
                                     stats.memory_bytes,
                                     stats.memory_limit_bytes,
                                     stats.cpu_ns,
                                     stats.pids};
    host.complete(host.context, op, &status, &wire);
  }
};

}  // namespace berth::sdk
