// SPDX-License-Identifier: Apache-2.0
// Tells the tables of several threads that a namespace's APIs were changed, and counts what is on
// its way to the store. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace berth::api {

class GatewayChanges {
 public:
  // Another one after each change of that namespace's APIs, and now and then after another's: what
  // was read while it was different is to be read anew.
  std::uint64_t version(std::string_view uuid) const {
    return versions_[place(uuid)].load(std::memory_order_acquire);
  }
  void changed(std::string_view uuid) {
    versions_[place(uuid)].fetch_add(1, std::memory_order_release);
  }

  // Bytes of that namespace's documents that are on their way to the store: requests that come
  // together must not each find the room that only one of them has. False: with what is on its way
  // already they are more than `room`, and not counted.
  bool expect(const std::string& uuid, std::size_t bytes, std::size_t room) {
    const std::lock_guard lock(mutex_);
    std::size_t& coming = coming_[uuid];
    const bool fits = coming <= room && bytes <= room - coming;
    if (fits) coming += bytes;
    if (coming == 0) coming_.erase(uuid);
    return fits;
  }
  // They are there, or will not come.
  void arrived(const std::string& uuid, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = coming_.find(uuid);
    if (found != coming_.end() && (found->second -= bytes) == 0) coming_.erase(found);
  }

 private:
  static constexpr std::size_t kPlaces = 1024;
  static std::size_t place(std::string_view uuid) {
    return std::hash<std::string_view>()(uuid) % kPlaces;
  }

  std::array<std::atomic<std::uint64_t>, kPlaces> versions_{};
  std::mutex mutex_;
  std::unordered_map<std::string, std::size_t> coming_;  // by uuid; none is 0
};

}  // namespace berth::api
