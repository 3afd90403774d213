// SPDX-License-Identifier: Apache-2.0
#include "container/pool_gauges.hpp"

namespace berth::container {

ContainerPool::Gauges::Gauges(Metrics& metrics)
    : used(metrics.gauge("berth_pool_memory_bytes", "Memory of containers by use",
                         {{"use", "all"}})),
      idle(metrics.gauge("berth_pool_memory_bytes", "Memory of containers by use",
                         {{"use", "idle"}})),
      stock(metrics.gauge("berth_pool_memory_bytes", "Memory of containers by use",
                          {{"use", "prewarmed"}})),
      queue(metrics.gauge("berth_pool_queue", "Activations that wait for a container")),
      create_seconds(metrics.histogram("berth_activation_phase_seconds",
                                       "Time of activations by phase", {{"phase", "create"}})),
      create_failures(
          metrics.counter("berth_container_create_failures_total", "Containers not created")),
      deaths(
          metrics.counter("berth_container_deaths_total", "Containers that ended by themselves")),
      evictions(metrics.counter("berth_container_evictions_total",
                                "Idle containers removed to make room")),
      destroy_failures(metrics.counter("berth_container_destroy_failures_total",
                                       "Failed attempts to destroy a container")) {
  for (std::size_t i = 0; i < starts.size(); ++i) {
    starts[i] = &metrics.counter("berth_container_starts_total",
                                 "Containers given to activations by kind of start",
                                 {{"kind", std::string(to_string(static_cast<StartKind>(i)))}});
  }
  for (std::size_t i = 0; i + 1 < kStates; ++i) {
    containers[i] = &metrics.gauge("berth_pool_containers", "Containers by state",
                                   {{"state", std::string(to_string(static_cast<State>(i)))}});
  }
}

void ContainerPool::publish() const {
  for (std::size_t i = 0; i + 1 < kStates; ++i) {
    gauges_->containers[i]->set(static_cast<double>(counts_[i]));
  }
  gauges_->used.set(static_cast<double>(used_));
  gauges_->idle.set(static_cast<double>(idle_bytes_));
  gauges_->stock.set(static_cast<double>(stock_bytes_));
  gauges_->queue.set(static_cast<double>(queue_));
}

PoolStats ContainerPool::stats() const {
  PoolStats stats;
  stats.containers = counts_;
  stats.used_bytes = used_;
  stats.idle_bytes = idle_bytes_;
  stats.stock_bytes = stock_bytes_;
  stats.queue = queue_;
  return stats;
}

}  // namespace berth::container
