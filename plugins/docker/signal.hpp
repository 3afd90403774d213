// SPDX-License-Identifier: Apache-2.0
// Two small things that coroutines of one loop wait on: Signal, an event, and Limiter, a number of
// places. Both belong to the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>

namespace berth::docker {

using SteadyTime = std::chrono::steady_clock::time_point;

// Raised by anybody, taken by one waiter. A raise that nobody waits for is kept.
class Signal {
 public:
  explicit Signal(boost::asio::io_context& context) : timer_(context) {}

  void raise() {
    raised_ = true;
    timer_.cancel();
  }

  // True if it was raised (which is then forgotten), false at `deadline`.
  boost::asio::awaitable<bool> wait(SteadyTime deadline) {
    while (!raised_ && std::chrono::steady_clock::now() < deadline) {
      timer_.expires_at(deadline);
      boost::system::error_code error;
      co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
    }
    co_return std::exchange(raised_, false);
  }

 private:
  boost::asio::steady_timer timer_;
  bool raised_ = false;
};

// At most so many at once; the others wait in order. Shared with its places, so that a place may
// outlive whoever made the Limiter.
class Limiter : public std::enable_shared_from_this<Limiter> {
 public:
  // 0: no limit.
  Limiter(boost::asio::io_context& context, std::size_t places)
      : context_(context), free_(places), limited_(places > 0) {}

  // Gives its place back when it goes.
  class Place {
   public:
    Place() = default;
    explicit Place(std::shared_ptr<Limiter> of) : of_(std::move(of)) {}
    Place(Place&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Place() {
      if (of_ != nullptr) of_->release();
    }

   private:
    std::shared_ptr<Limiter> of_;
  };

  // Before the loop goes: places that are given back later wake nobody.
  void close() { waiting_.clear(); }

  boost::asio::awaitable<Place> acquire() {
    if (limited_) {
      if (free_ == 0) {
        // Kept alive by both: a place may be released when this coroutine is gone already.
        const auto turn = std::make_shared<Signal>(context_);
        waiting_.push_back(turn);
        co_await turn->wait(SteadyTime::max());
      } else {
        --free_;
      }
    }
    co_return Place(shared_from_this());
  }

 private:
  void release() {
    if (!limited_) return;
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    waiting_.front()->raise();
    waiting_.pop_front();
  }

  boost::asio::io_context& context_;
  std::size_t free_;
  const bool limited_;
  std::deque<std::shared_ptr<Signal>> waiting_;
};

}  // namespace berth::docker
