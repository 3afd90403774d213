// SPDX-License-Identifier: Apache-2.0
// How much one namespace may invoke: a number in any minute, and a number at once. The words are
// OpenWhisk's. The minute slides, in steps of a second: there is no moment at which everybody may
// start anew, and never more than allowed in any 60 s. Refused ones are not counted, so that a
// caller who goes on asking gets what it is allowed. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/api.hpp"
#include "api/errors.hpp"

namespace berth::api {

class Throttle {
 public:
  // Holds one place among the concurrent invocations until it is destroyed; may outlive the
  // Throttle, and be given up on any thread.
  class Place {
   public:
    Place() = default;
    explicit Place(std::shared_ptr<std::atomic<std::int64_t>> count) : count_(std::move(count)) {
      ++*count_;
    }
    Place(Place&&) noexcept = default;
    Place& operator=(Place&& other) noexcept {
      if (count_) --*count_;
      count_ = std::move(other.count_);
      return *this;
    }
    ~Place() {
      if (count_) --*count_;
    }

   private:
    std::shared_ptr<std::atomic<std::int64_t>> count_;
  };

  // A place for one invocation of the namespace, or the 429. `now_ms` is of any clock that does not
  // go backwards; that of another thread may be a little behind.
  // Of what is not throttled it is only counted.
  Checked<Place> enter(const std::string& namespace_uuid, const Throttles& allowed,
                       std::int64_t now_ms);

  struct Count {
    std::int64_t last_minute = 0;
    std::int64_t running = 0;
  };
  Count count(const std::string& namespace_uuid, std::int64_t now_ms);

 private:
  // One more than the seconds of a minute: the oldest is left only when all of it is past.
  static constexpr std::int64_t kSlots = 61;

  struct Usage {
    std::array<std::uint32_t, kSlots> slots{};  // by second modulo kSlots
    std::int64_t second = 0;                    // of the newest slot
    std::int64_t total = 0;                     // of all slots
    // Grows under the mutex only.
    std::shared_ptr<std::atomic<std::int64_t>> running =
        std::make_shared<std::atomic<std::int64_t>>(0);

    void advance(std::int64_t to);
    // Until one more is allowed.
    std::chrono::seconds wait_for_room() const;
  };
  void forget_idle(std::int64_t second);

  std::mutex mutex_;                              // of all below
  std::unordered_map<std::string, Usage> usage_;  // by namespace uuid
  std::int64_t cleaned_at_ = 0;
};

}  // namespace berth::api
