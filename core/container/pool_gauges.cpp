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
      resizes(metrics.counter("berth_container_resizes_total",
                              "Prewarmed containers given more memory for an action")),
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

std::vector<ContainerView> ContainerPool::list() const {
  const SteadyTime now = with_.clock.steady_now();
  const auto since = [now](SteadyTime then) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - then);
  };
  std::vector<ContainerView> views;
  const std::map<std::string, std::string> progress = with_.factory.progress();
  for (const Container& container : all_) {
    ContainerView view;
    view.name = container.name;
    view.id = container.id;
    view.state = container.state;
    if (const SizeClass* size_class = container.size_class) {
      view.kind = size_class->kind;
      view.image = size_class->image;
    }
    view.memory_bytes = container.memory_bytes;
    if (const ActionSlot* slot = container.slot) {
      view.space = slot->namespace_name;
      view.action = slot->action->path();
    }
    view.active = container.active;
    if (container.created_at != SteadyTime()) view.age = since(container.created_at);
    if (container.idle_hook.is_linked()) view.idle = since(container.last_used);
    if (const auto waits = progress.find(container.name); waits != progress.end()) {
      view.detail = waits->second;
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<std::string> ContainerPool::ids() const {
  std::vector<std::string> ids;
  for (const Container& container : all_) {
    if (!container.id.empty() && container.state != State::kRemoving) ids.push_back(container.id);
  }
  return ids;
}

std::vector<PrewarmView> ContainerPool::prewarming() const {
  std::vector<PrewarmView> views;
  for (const SizeClass* size_class : prewarmed_classes_) {
    views.push_back({size_class->kind, size_class->memory_bytes, size_class->wanted,
                     size_class->stocked, size_class->starting, size_class->failures,
                     size_class->failures > 0 ? size_class->last_error : std::string()});
  }
  return views;
}

PoolStats ContainerPool::stats() const {
  PoolStats stats;
  stats.containers = counts_;
  stats.used_bytes = used_;
  stats.idle_bytes = idle_bytes_;
  stats.stock_bytes = stock_bytes_;
  stats.queue = queue_;
  stats.tenants = tenants_.size();
  stats.classes = classes_.size();
  stats.retry_after = retry_after();
  return stats;
}

}  // namespace berth::container
