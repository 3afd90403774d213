// SPDX-License-Identifier: Apache-2.0
#include "store/action_cache.hpp"

#include <mutex>
#include <utility>

#include "entity/footprint.hpp"

namespace berth::store {

entity::ActionPtr ActionCache::find(std::string_view path) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(path);
  if (found == entries_.end()) return nullptr;
  // Written only when it changes, so that readers do not pull one cache line back and forth.
  if (!found->second.used.load(std::memory_order_relaxed)) {
    found->second.used.store(true, std::memory_order_relaxed);
  }
  return found->second.action;
}

void ActionCache::offer(const entity::ActionPtr& action, std::uint64_t epoch) {
  const std::unique_lock lock(mutex_);
  if (epoch_.load(std::memory_order_relaxed) == epoch) insert(action);
}

void ActionCache::put(const entity::ActionPtr& action) {
  const std::unique_lock lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  insert(action);
}

void ActionCache::remove(std::string_view path) {
  const std::unique_lock lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
}

void ActionCache::remove_namespace(std::string_view namespace_name) {
  const std::unique_lock lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (at->second.action->namespace_name == namespace_name) erase(at);
    at = next;
  }
}

void ActionCache::insert(const entity::ActionPtr& action) {
  std::string path = action->path();
  if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
  const std::size_t bytes = entity::footprint(*action);
  if (bytes > max_bytes_) return;
  const auto at = entries_.try_emplace(std::move(path)).first;
  at->second.action = action;
  at->second.bytes = bytes;
  at->second.place = order_.insert(order_.end(), &at->first);
  bytes_ += bytes;
  make_room();
}

void ActionCache::erase(Map::iterator at) {
  bytes_ -= at->second.bytes;
  order_.erase(at->second.place);
  entries_.erase(at);
}

void ActionCache::make_room() {
  while (bytes_ > max_bytes_) {
    const auto at = entries_.find(*order_.front());
    if (at->second.used.exchange(false, std::memory_order_relaxed)) {
      order_.splice(order_.end(), order_, order_.begin());
    } else {
      erase(at);
    }
  }
}

}  // namespace berth::store
