// SPDX-License-Identifier: Apache-2.0
// `Gate`: when a plugin is closed, calls into it may be running on other threads. A call enters the
// gate and leaves it; closing refuses new ones and waits for those inside.
//
// Thread-safe. Closing from inside a call waits for itself: only the loader thread closes.
#pragma once

#include <atomic>
#include <cstdint>

namespace berth::plugin {

class Gate {
 public:
  // False: closed, do not call (and do not leave).
  bool enter() noexcept {
    if ((state_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return true;
    leave();
    return false;
  }
  void leave() noexcept {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) == (kClosed | 1)) state_.notify_all();
  }
  void close() noexcept {
    std::uint64_t state = state_.fetch_or(kClosed, std::memory_order_acq_rel) | kClosed;
    while (state != kClosed) {
      state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
    }
  }
  bool closed() const noexcept { return (state_.load(std::memory_order_acquire) & kClosed) != 0; }

 private:
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;
  std::atomic<std::uint64_t> state_{0};
};

}  // namespace berth::plugin
