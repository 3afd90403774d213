// SPDX-License-Identifier: Apache-2.0
// `OneShot`: one coroutine waits, once, for one thing that some thread sets, once.
//
// The problem it solves: a plugin answers on a thread of its own, perhaps before the call returned,
// and the coroutine must go on exactly once, on its own executor. A OneShot lives in the
// coroutine's frame and costs no allocation of its own. `set` may come from any thread; after it
// the OneShot may be gone. A coroutine that waits must be resumed before its executor dies: set it.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace berth::plugin {

class OneShot {
 public:
  OneShot() = default;
  OneShot(const OneShot&) = delete;
  OneShot& operator=(const OneShot&) = delete;

  bool is_set() const noexcept { return state_.load(std::memory_order_acquire) == kSet; }

  void set() noexcept {
    if (state_.exchange(kSet, std::memory_order_acq_rel) != kWaiting) return;
    Handler handler = std::move(*handler_);
    boost::asio::post(std::move(handler));
  }

  // `on_cancel(context)` is called on the waiting coroutine's executor if the coroutine is
  // cancelled meanwhile; it then has to bring about `set`.
  boost::asio::awaitable<void> wait(void (*on_cancel)(void*) = nullptr, void* context = nullptr) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
        Initiation{this, on_cancel, context}, boost::asio::use_awaitable);
  }

 private:
  using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

  // After the exchange nothing may be touched: the coroutine may run already, on another thread.
  struct Initiation {
    OneShot* self;
    void (*on_cancel)(void*);
    void* context;

    void operator()(Handler handler) {
      if (on_cancel != nullptr) {
        auto slot = handler.get_cancellation_slot();
        if (slot.is_connected()) {
          slot.assign([call = on_cancel, to = context](boost::asio::cancellation_type type) {
            if (type != boost::asio::cancellation_type::none) call(to);
          });
        }
      }
      self->handler_.emplace(std::move(handler));
      int expected = kPending;
      OneShot* const shot = self;
      if (shot->state_.compare_exchange_strong(expected, kWaiting, std::memory_order_acq_rel)) {
        return;
      }
      Handler ready = std::move(*shot->handler_);
      boost::asio::post(std::move(ready));
    }
  };

  static constexpr int kPending = 0;
  static constexpr int kWaiting = 1;
  static constexpr int kSet = 2;
  std::atomic<int> state_{kPending};
  std::optional<Handler> handler_;
};

}  // namespace berth::plugin
