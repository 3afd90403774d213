// SPDX-License-Identifier: Apache-2.0
// The pool's series. Private to the pool; thread-safe as Metrics are.
#pragma once

#include <array>

#include "base/metrics.hpp"
#include "container/container_pool.hpp"

namespace berth::container {

struct ContainerPool::Gauges {
  explicit Gauges(Metrics& metrics);

  void count_start(StartKind kind) { starts[static_cast<std::size_t>(kind)]->add(); }

  std::array<Counter*, 4> starts{};
  std::array<Gauge*, kStates> containers{};
  Gauge& used;
  Gauge& idle;
  Gauge& stock;
  Gauge& queue;
  Histogram& create_seconds;
  Counter& create_failures;
  Counter& deaths;
  Counter& evictions;
  Counter& resizes;
  Counter& destroy_failures;
};

}  // namespace berth::container
