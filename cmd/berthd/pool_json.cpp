// SPDX-License-Identifier: Apache-2.0
#include "pool_json.hpp"

namespace berth::daemon {

namespace json = boost::json;

json::array containers_json(const container::ContainerPool& pool) {
  json::array containers;
  for (const container::ContainerView& view : pool.list()) {
    containers.push_back(json::object{{"name", view.name},
                                      {"id", view.id},
                                      {"state", container::to_string(view.state)},
                                      {"kind", view.kind},
                                      {"image", view.image},
                                      {"memory_bytes", view.memory_bytes},
                                      {"namespace", view.space},
                                      {"action", view.action},
                                      {"active", view.active},
                                      {"age_ms", view.age.count()},
                                      {"idle_ms", view.idle.count()},
                                      {"detail", view.detail}});
  }
  return containers;
}

json::object states_json(const container::PoolStats& stats) {
  json::object states;
  for (std::size_t state = 0; state < stats.containers.size(); ++state) {
    states[container::to_string(static_cast<container::State>(state))] = stats.containers[state];
  }
  return states;
}

json::object pool_json(const container::ContainerPool& pool, std::uint64_t memory_bytes) {
  const container::PoolStats stats = pool.stats();
  json::array prewarming;
  for (const container::PrewarmView& view : pool.prewarming()) {
    json::object entry{{"kind", view.kind},         {"memory_bytes", view.memory_bytes},
                       {"wanted", view.wanted},     {"ready", view.stocked},
                       {"starting", view.starting}, {"failures", view.failures}};
    if (!view.last_error.empty()) entry["last_error"] = view.last_error;
    prewarming.push_back(std::move(entry));
  }
  return {
      {"memory_bytes", memory_bytes},          {"memory_used_bytes", stats.used_bytes},
      {"memory_idle_bytes", stats.idle_bytes}, {"memory_prewarmed_bytes", stats.stock_bytes},
      {"states", states_json(stats)},          {"queue", stats.queue},
      {"namespaces", stats.tenants},           {"retry_after_seconds", stats.retry_after.count()},
      {"prewarming", std::move(prewarming)}};
}

}  // namespace berth::daemon
