// SPDX-License-Identifier: Apache-2.0
// Actions in memory, by path: what the hot path of an invocation looks at instead of the database.
// See PathCache; this one knows what an action takes.
#pragma once

#include "entity/action.hpp"
#include "entity/footprint.hpp"
#include "store/path_cache.hpp"

namespace berth::store {

class ActionCache : public PathCache<entity::Action> {
 public:
  using PathCache::PathCache;

  void offer(const entity::ActionPtr& action, std::uint64_t epoch) {
    PathCache::offer(action, entity::footprint(*action), epoch);
  }
  void put(const entity::ActionPtr& action) { PathCache::put(action, entity::footprint(*action)); }
};

}  // namespace berth::store
