// SPDX-License-Identifier: Apache-2.0
// How much one namespace may invoke: a number in each clock minute, and a number at once. Counting
// is OpenWhisk's: fixed minutes, refused above the allowed rate, refused at the allowed
// concurrency. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/api.hpp"
#include "api/errors.hpp"

namespace berth::api {

class Throttle {
 public:
  explicit Throttle(Throttles allowed) : allowed_(allowed) {}

  // Holds one place among the concurrent invocations until it is destroyed; may outlive the
  // Throttle.
  class Place {
   public:
    Place() = default;
    explicit Place(std::shared_ptr<std::int64_t> count) : count_(std::move(count)) { ++*count_; }
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
    std::shared_ptr<std::int64_t> count_;
  };

  // A place for one invocation of the namespace, or the 429.
  Checked<Place> enter(const std::string& namespace_uuid, std::int64_t now_ms);

 private:
  struct Usage {
    std::int64_t minute = -1;
    std::int64_t invocations = 0;
    std::shared_ptr<std::int64_t> running = std::make_shared<std::int64_t>(0);
  };
  void forget_idle(std::int64_t minute);

  Throttles allowed_;
  std::unordered_map<std::string, Usage> usage_;  // by namespace uuid
  std::int64_t cleaned_minute_ = 0;
};

}  // namespace berth::api
