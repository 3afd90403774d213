// SPDX-License-Identifier: Apache-2.0
// Packages, triggers and rules in memory, by path: every invocation of a packaged action looks at
// its package, every event at its trigger. See PathCache.
#pragma once

#include "entity/entity.hpp"
#include "store/path_cache.hpp"

namespace berth::store {

class EntityCache : public PathCache<entity::Entity> {
 public:
  static constexpr std::size_t kMaxBytes = 64u << 20;
  static constexpr std::size_t kFixed = 1024;  // bytes of an entry, beside its texts

  explicit EntityCache(std::size_t max_bytes = kMaxBytes) : PathCache(max_bytes) {}

  // `bytes`: of its stored form.
  void offer(const entity::EntityPtr& entity, std::size_t bytes, std::uint64_t epoch) {
    PathCache::offer(entity, bytes + kFixed, epoch);
  }
  void put(const entity::EntityPtr& entity, std::size_t bytes) {
    PathCache::put(entity, bytes + kFixed);
  }
};

}  // namespace berth::store
