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
  return found == entries_.end() ? nullptr : found->second.entity;
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
  while (bytes_ + bytes > max_bytes_) erase(entries_.begin());
  entries_.emplace(std::move(path), Entry{entity, bytes});
  bytes_ += bytes;
}

void EntityCache::erase(std::map<std::string, Entry, std::less<>>::iterator at) {
  bytes_ -= at->second.bytes;
  entries_.erase(at);
}

}  // namespace berth::store
