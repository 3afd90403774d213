// SPDX-License-Identifier: Apache-2.0
// PathCache: entities in memory, by path, instead of the database. Bounded by bytes; evicts by
// second chance. Thread-safe; find() takes a shared lock and allocates nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/text_hash.hpp"

namespace berth::store {

// `T` has path() and namespace_name.
template <typename T>
class PathCache {
 public:
  using Pointer = std::shared_ptr<const T>;

  explicit PathCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null: not here.
  Pointer find(std::string_view path) const {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(path);
    if (found == entries_.end()) return nullptr;
    // Written only when it changes, so that readers do not pull one cache line back and forth.
    if (!found->second.used.load(std::memory_order_relaxed)) {
      found->second.used.store(true, std::memory_order_relaxed);
    }
    return found->second.value;
  }

  // Counts the writes. A reader takes it before it reads the database and gives it to offer(): what
  // was read before a write must not enter after it.
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  // What was read from the database; it takes `bytes`.
  void offer(const Pointer& value, std::size_t bytes, std::uint64_t epoch) {
    const std::unique_lock lock(mutex_);
    if (epoch_.load(std::memory_order_relaxed) == epoch) insert(value, bytes);
  }
  // What was written: after the commit and before anybody is told of it.
  void put(const Pointer& value, std::size_t bytes) {
    const std::unique_lock lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
    insert(value, bytes);
  }
  void remove(std::string_view path) {
    const std::unique_lock lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
    if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
  }
  void remove_namespace(std::string_view namespace_name) {
    const std::unique_lock lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
    for (auto at = entries_.begin(); at != entries_.end();) {
      const auto next = std::next(at);
      if (at->second.value->namespace_name == namespace_name) erase(at);
      at = next;
    }
  }

 private:
  using Order = std::list<const std::string*>;  // the keys in the map
  struct Entry {
    Pointer value;
    std::size_t bytes = 0;
    Order::iterator place;
    mutable std::atomic<bool> used{false};
  };
  using Map = std::unordered_map<std::string, Entry, TextHash, std::equal_to<>>;

  void insert(const Pointer& value, std::size_t bytes) {
    std::string path = value->path();
    if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
    if (bytes > max_bytes_) return;
    const auto at = entries_.try_emplace(std::move(path)).first;
    at->second.value = value;
    at->second.bytes = bytes;
    at->second.place = order_.insert(order_.end(), &at->first);
    bytes_ += bytes;
    make_room();
  }
  void erase(typename Map::iterator at) {
    bytes_ -= at->second.bytes;
    order_.erase(at->second.place);
    entries_.erase(at);
  }
  void make_room() {
    while (bytes_ > max_bytes_) {
      const auto at = entries_.find(*order_.front());
      if (at->second.used.exchange(false, std::memory_order_relaxed)) {
        order_.splice(order_.end(), order_, order_.begin());
      } else {
        erase(at);
      }
    }
  }

  const std::size_t max_bytes_;
  mutable std::shared_mutex mutex_;
  Map entries_;
  Order order_;  // of eviction
  std::size_t bytes_ = 0;
  std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace berth::store
