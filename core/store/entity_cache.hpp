// SPDX-License-Identifier: Apache-2.0
// Packages, triggers and rules in memory, by path: every invocation of a packaged action looks at
// its package, every event at its trigger. Bounded by bytes; evicts by second chance. Thread-safe;
// find() takes a shared lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "entity/entity.hpp"

namespace berth::store {

class EntityCache {
 public:
  static constexpr std::size_t kMaxBytes = 64u << 20;

  explicit EntityCache(std::size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}

  // Of any collection; null: not here.
  entity::EntityPtr find(std::string_view path) const;

  // Counts the writes, as ActionCache's does.
  std::uint64_t epoch() const;
  // What was read from the database; `bytes` of its stored form.
  void offer(const entity::EntityPtr& entity, std::size_t bytes, std::uint64_t epoch);
  // What was written: after the commit and before anybody is told of it.
  void put(const entity::EntityPtr& entity, std::size_t bytes);
  void remove(std::string_view path);
  void remove_namespace(std::string_view namespace_name);

 private:
  using Order = std::list<const std::string*>;  // the keys in the map
  struct Entry {
    entity::EntityPtr entity;
    std::size_t bytes = 0;
    Order::iterator place;
    mutable std::atomic<bool> used{false};
  };
  using Map = std::map<std::string, Entry, std::less<>>;
  void insert(const entity::EntityPtr& entity, std::size_t bytes);
  void erase(Map::iterator at);
  void make_room();

  const std::size_t max_bytes_;
  mutable std::shared_mutex mutex_;
  Map entries_;
  Order order_;  // of eviction
  std::size_t bytes_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace berth::store
