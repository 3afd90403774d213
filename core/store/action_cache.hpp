// SPDX-License-Identifier: Apache-2.0
// Actions in memory, by path: what the hot path of an invocation looks at instead of the database.
// Bounded by bytes; evicts by second chance. Thread-safe; find() takes a shared lock and allocates
// nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "entity/action.hpp"

namespace berth::store {

class ActionCache {
 public:
  explicit ActionCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  entity::ActionPtr find(std::string_view path) const;

  // Counts the writes. A reader takes it before it reads the database and gives it to offer(): what
  // was read before a write must not enter after it.
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  // What was read from the database.
  void offer(const entity::ActionPtr& action, std::uint64_t epoch);
  // What was written: after the commit and before anybody is told of it.
  void put(const entity::ActionPtr& action);
  void remove(std::string_view path);
  void remove_namespace(std::string_view namespace_name);

 private:
  using Order = std::list<const std::string*>;  // the keys in the map
  struct Entry {
    entity::ActionPtr action;
    std::size_t bytes = 0;
    Order::iterator place;
    mutable std::atomic<bool> used{false};
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, Equal>;

  void insert(const entity::ActionPtr& action);
  void erase(Map::iterator at);
  void make_room();

  const std::size_t max_bytes_;
  mutable std::shared_mutex mutex_;
  Map entries_;
  Order order_;  // of eviction
  std::size_t bytes_ = 0;
  std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace berth::store
