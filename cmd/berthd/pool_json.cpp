// SPDX-License-Identifier: Apache-2.0
#include "pool_json.hpp"

#include <algorithm>

namespace berth::daemon {

namespace json = boost::json;

json::object usage_json(const plugin::ContainerStats& usage) {
  json::object known;
  const auto add = [&known](const char* name, std::int64_t value) {
    if (value >= 0) known[name] = value;
  };
  add("memory_bytes", usage.memory_bytes);
  add("memory_limit_bytes", usage.memory_limit_bytes);
  add("cpu_ms", usage.cpu_ns < 0 ? -1 : usage.cpu_ns / 1'000'000);
  add("pids", usage.pids);
  return known;
}

json::array containers_json(const container::ContainerPool& pool,
                            const container::UsageMeter::Usages& usages) {
  json::array containers;
  for (const container::ContainerView& view : pool.list()) {
    json::object entry{{"name", view.name},
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
                       {"detail", view.detail}};
    if (const auto usage = usages.find(view.id); usage != usages.end()) {
      entry["usage"] = usage_json(usage->second);
    }
    containers.push_back(std::move(entry));
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

json::object pool_json(const container::ContainerPool& pool, std::uint64_t memory_bytes,
                       const container::UsageMeter::Usages& usages) {
  const container::PoolStats stats = pool.stats();
  json::array prewarming;
  for (const container::PrewarmView& view : pool.prewarming()) {
    json::object entry{{"kind", view.kind},         {"memory_bytes", view.memory_bytes},
                       {"wanted", view.wanted},     {"ready", view.stocked},
                       {"starting", view.starting}, {"failures", view.failures}};
    if (!view.last_error.empty()) entry["last_error"] = view.last_error;
    prewarming.push_back(std::move(entry));
  }
  // Of the containers that the factory told of; their limits together are memory_used_bytes.
  const auto sum = [&usages](std::int64_t plugin::ContainerStats::*what) {
    std::uint64_t sum = 0;
    for (const auto& [id, usage] : usages) {
      sum += static_cast<std::uint64_t>(std::max<std::int64_t>(0, usage.*what));
    }
    return sum;
  };
  json::object usage{{"containers", usages.size()}};
  if (!usages.empty()) {
    usage["memory_bytes"] = sum(&plugin::ContainerStats::memory_bytes);
    usage["cpu_ms"] = sum(&plugin::ContainerStats::cpu_ns) / 1'000'000;
    usage["pids"] = sum(&plugin::ContainerStats::pids);
  }
  return {
      {"memory_bytes", memory_bytes},          {"memory_used_bytes", stats.used_bytes},
      {"memory_idle_bytes", stats.idle_bytes}, {"memory_prewarmed_bytes", stats.stock_bytes},
      {"states", states_json(stats)},          {"queue", stats.queue},
      {"namespaces", stats.tenants},           {"retry_after_seconds", stats.retry_after.count()},
      {"prewarming", std::move(prewarming)},   {"usage", std::move(usage)}};
}

}  // namespace berth::daemon
