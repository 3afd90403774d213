// SPDX-License-Identifier: Apache-2.0
// Counts requests against the rates of APIs: so many in a span of time that begins with the first
// of them. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/gateway_routes.hpp"

namespace berth::api {

class GatewayRates {
 public:
  // Counts one request of `who`, or returns after how many seconds it may be tried again. `now_s`
  // is of any clock that does not go backwards.
  std::int64_t enter(const std::string& who, const GatewayRate& rate, std::int64_t now_s) {
    if (rate.requests == 0) return 0;
    const std::lock_guard lock(mutex_);
    // Many may be live, and looking at all of them takes its time.
    if (spans_.size() >= kMaxSpans && now_s > swept_s_) {
      swept_s_ = now_s;
      std::erase_if(spans_, [now_s](const auto& entry) { return entry.second.end_s <= now_s; });
    }
    Span& span = spans_[who];
    if (span.end_s <= now_s) span = {now_s + rate.seconds, 0};
    if (span.count >= rate.requests) return span.end_s - now_s;
    ++span.count;
    return 0;
  }

  // Those whose names begin so are counted no more.
  void forget(std::string_view prefix) {
    const std::lock_guard lock(mutex_);
    std::erase_if(spans_, [prefix](const auto& entry) { return entry.first.starts_with(prefix); });
  }

 private:
  static constexpr std::size_t kMaxSpans = 10'000;

  struct Span {
    std::int64_t end_s = 0;
    std::int64_t count = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Span> spans_;
  std::int64_t swept_s_ = 0;  // when all were looked at
};

}  // namespace berth::api
