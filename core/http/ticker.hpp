// SPDX-License-Identifier: Apache-2.0
// Time limits in thousands for the price of one Asio timer: an io_context's only tick, every 20 ms
// while any limit is set, over a wheel of lists. Setting and clearing a limit is O(1) and, while it
// only moves further away, touches nothing but the limit itself.
//
// A limit never fires early, and at most a tick (plus the loop's delay) late. Not thread-safe: all
// of it happens on the thread that runs the io_context.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace berth::http {

namespace ticker_detail {
struct Link {
  Link* previous = this;
  Link* next = this;
  bool linked() const { return next != this; }
  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
  void link_before(Link& other) {
    previous = other.previous;
    next = &other;
    previous->next = this;
    other.previous = this;
  }
};
}  // namespace ticker_detail

// An Asio service: one for each io_context, made when first asked for.
class Ticker : public boost::asio::execution_context::service {
 public:
  static inline boost::asio::execution_context::id id;
  static constexpr std::chrono::milliseconds kTick{20};

  // One time limit, a member of what it limits. Calls `expired(owner)` once it has passed; that may
  // destroy the limit. Must be destroyed or cleared before its owner's io_context is used no more.
  class Limit : private ticker_detail::Link {
   public:
    using Expired = void (*)(void* owner);
    Limit(Ticker& ticker, Expired expired, void* owner)
        : ticker_(ticker), expired_(expired), owner_(owner) {}
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;
    ~Limit();

    void set(SteadyTime deadline);
    void set_after(std::chrono::milliseconds time) { set(ticker_.now() + time); }
    void clear();
    bool is_set() const { return set_; }

   private:
    friend class Ticker;
    Ticker& ticker_;
    Expired expired_;
    void* owner_;
    SteadyTime deadline_;
    std::uint64_t slot_tick_ = 0;
    bool set_ = false;
  };

  static Ticker& of(boost::asio::io_context& io) { return boost::asio::use_service<Ticker>(io); }
  explicit Ticker(boost::asio::execution_context& context);
  ~Ticker() override;

  // Steady time, a few milliseconds coarse: for limits that are seconds long.
  SteadyTime now() const;

 private:
  static constexpr std::size_t kSlots = 512;

  void shutdown() override;
  std::uint64_t tick_at_or_after(SteadyTime time) const;
  void link(Limit& limit);
  void start();
  void tick();

  std::optional<boost::asio::steady_timer> timer_;
  SteadyTime epoch_;
  std::uint64_t done_tick_ = 0;  // every limit of this tick and those before has been looked at
  std::size_t set_count_ = 0;
  bool running_ = false;
  std::array<ticker_detail::Link, kSlots> slots_;
};

}  // namespace berth::http
