// SPDX-License-Identifier: Apache-2.0
// Small things that coroutines of one loop wait on: Signal, an event; Waiter, one who may lose
// patience; and Limiter, a number of places. All belong to the loop's thread.
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

// So long before the host's deadline a create and a stop answer by themselves: the host's own
// answer knows no reason.
constexpr std::chrono::milliseconds kAnswerAhead{100};

// `by` before `deadline`, if that is one.
inline SteadyTime ahead_of(SteadyTime deadline, std::chrono::milliseconds by = kAnswerAhead) {
  return deadline == SteadyTime::max() ? deadline : deadline - by;
}

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

// One who waits for what may take long, and whom nobody may want to wait any more. Shared between
// the waiting coroutine and those who end its wait.
struct Waiter {
  explicit Waiter(boost::asio::io_context& context) : changed(context) {}

  Signal changed;  // raised whenever what is waited for, or `cancelled`, may have changed
  bool cancelled = false;
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
    // False if there was none to have.
    bool valid() const { return of_ != nullptr; }
    ~Place() {
      if (of_ != nullptr) of_->release();
    }

   private:
    std::shared_ptr<Limiter> of_;
  };

  // Before the loop goes: places that are given back later wake nobody.
  void close() { waiting_.clear(); }

  // Invalid if `waiter` was cancelled before its turn came.
  boost::asio::awaitable<Place> acquire(std::shared_ptr<Waiter> waiter) {
    if (!limited_) co_return Place(shared_from_this());
    if (free_ > 0) {
      --free_;
      co_return Place(shared_from_this());
    }
    // Kept alive by both: a place may be released when this coroutine is gone already.
    const auto turn = std::make_shared<Turn>(Turn{waiter});
    waiting_.push_back(turn);
    while (!turn->given && !waiter->cancelled) co_await waiter->changed.wait(SteadyTime::max());
    if (turn->given) co_return Place(shared_from_this());
    std::erase(waiting_, turn);
    co_return Place();
  }
  boost::asio::awaitable<Place> acquire() { return acquire(std::make_shared<Waiter>(context_)); }

 private:
  struct Turn {
    std::shared_ptr<Waiter> waiter;
    bool given = false;
  };

  void release() {
    if (!limited_) return;
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    const std::shared_ptr<Turn> next = waiting_.front();
    waiting_.pop_front();
    next->given = true;
    next->waiter->changed.raise();
  }

  boost::asio::io_context& context_;
  std::size_t free_;
  const bool limited_;
  std::deque<std::shared_ptr<Turn>> waiting_;
};

}  // namespace berth::docker
