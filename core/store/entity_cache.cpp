// SPDX-License-Identifier: Apache-2.0
#include "store/entity_cache.hpp"

#include <mutex>
#include <utility>

namespace berth::store {
namespace {

constexpr std::size_t kFixed = 1024;  // of an entry, beside its texts

}  // namespace

entity::EntityPtr EntityCache::find(std::string_view path) const {
  const std::shared_lock lock(mutex_);
  const auto found = entries_.find(path);
  if (found == entries_.end()) return nullptr;
  // Written only when it changes, so that readers do not pull one cache line back and forth.
  if (!found->second.used.load(std::memory_order_relaxed)) {
    found->second.used.store(true, std::memory_order_relaxed);
  }
  return found->second.entity;
}

std::uint64_t EntityCache::epoch() const {
  const std::shared_lock lock(mutex_);
  return epoch_;
}

void EntityCache::offer(const entity::EntityPtr& entity, std::size_t bytes, std::uint64_t epoch) {
  const std::unique_lock lock(mutex_);
  if (epoch_ == epoch) insert(entity, bytes);
}

void EntityCache::put(const entity::EntityPtr& entity, std::size_t bytes) {
  const std::unique_lock lock(mutex_);
  ++epoch_;
  insert(entity, bytes);
}

void EntityCache::remove(std::string_view path) {
  const std::unique_lock lock(mutex_);
  ++epoch_;
  if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
}

void EntityCache::remove_namespace(std::string_view namespace_name) {
  const std::unique_lock lock(mutex_);
  ++epoch_;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (at->second.entity->namespace_name == namespace_name) erase(at);
    at = next;
  }
}

void EntityCache::insert(const entity::EntityPtr& entity, std::size_t bytes) {
  std::string path = entity->path();
  if (const auto found = entries_.find(path); found != entries_.end()) erase(found);
  bytes += kFixed;
  if (bytes > max_bytes_) return;
  const auto at = entries_.try_emplace(std::move(path)).first;
  at->second.entity = entity;
  at->second.bytes = bytes;
  at->second.place = order_.insert(order_.end(), &at->first);
  bytes_ += bytes;
  make_room();
}

void EntityCache::erase(Map::iterator at) {
  bytes_ -= at->second.bytes;
  order_.erase(at->second.place);
  entries_.erase(at);
}

void EntityCache::make_room() {
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
