// SPDX-License-Identifier: Apache-2.0
// The container pool as the administration shows it. On the pool's thread.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "container/container_pool.hpp"
#include "container/usage_meter.hpp"

namespace berth::daemon {

// [{"name","id","state","kind","image","memory_bytes","namespace","action","active","age_ms",
// "idle_ms","detail","usage"}], "usage" as below, of those in `usages`
boost::json::array containers_json(const container::ContainerPool& pool,
                                   const container::UsageMeter::Usages& usages);
// {"memory_bytes","memory_used_bytes","memory_idle_bytes","memory_prewarmed_bytes","states":{},
// "queue","namespaces","retry_after_seconds","prewarming":[{}],"usage":{"containers",
// "memory_bytes","cpu_ms","pids"}}
boost::json::object pool_json(const container::ContainerPool& pool, std::uint64_t memory_bytes,
                              const container::UsageMeter::Usages& usages);
// What one container uses, without what is not known: {"memory_bytes","memory_limit_bytes",
// "cpu_ms","pids"}
boost::json::object usage_json(const plugin::ContainerStats& usage);
// {"creating": 0, ...}
boost::json::object states_json(const container::PoolStats& stats);

}  // namespace berth::daemon
