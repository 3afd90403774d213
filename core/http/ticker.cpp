// SPDX-License-Identifier: Apache-2.0
#include "http/ticker.hpp"

#include <algorithm>
#include <time.h>

namespace berth::http {

Ticker::Limit::~Limit() {
  clear();
  if (linked()) unlink();
}

void Ticker::Limit::set(SteadyTime deadline) {
  deadline_ = deadline;
  if (!set_) {
    set_ = true;
    ++ticker_.set_count_;
    ticker_.start();
  }
  // Where it is linked to an earlier tick it is looked at then, and moved on.
  if (!linked() || ticker_.tick_at_or_after(deadline) < slot_tick_) ticker_.link(*this);
}

void Ticker::Limit::clear() {
  if (!set_) return;
  set_ = false;
  --ticker_.set_count_;
}

Ticker::Ticker(boost::asio::execution_context& context)
    : boost::asio::execution_context::service(context),
      timer_(static_cast<boost::asio::io_context&>(context).get_executor()),
      epoch_(std::chrono::steady_clock::now()) {}

Ticker::~Ticker() = default;

void Ticker::shutdown() {
  timer_.reset();
  for (ticker_detail::Link& slot : slots_) {
    while (slot.linked()) {
      static_cast<Limit*>(slot.next)->set_ = false;
      slot.next->unlink();
    }
  }
}

SteadyTime Ticker::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return SteadyTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

std::uint64_t Ticker::tick_at_or_after(SteadyTime time) const {
  if (time <= epoch_) return 0;
  const auto distance = std::min<SteadyTime::duration>(time - epoch_, std::chrono::years(100));
  const auto ticks = (distance + kTick - std::chrono::nanoseconds(1)) / kTick;
  return static_cast<std::uint64_t>(ticks);
}

void Ticker::link(Limit& limit) {
  if (limit.linked()) limit.unlink();
  // A limit further away than the wheel is looked at once a turn.
  limit.slot_tick_ =
      std::clamp(tick_at_or_after(limit.deadline_), done_tick_ + 1, done_tick_ + kSlots - 1);
  limit.link_before(slots_[limit.slot_tick_ % kSlots]);
}

void Ticker::start() {
  if (running_ || !timer_) return;
  running_ = true;
  timer_->expires_after(kTick);
  timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) tick();
  });
}

void Ticker::tick() {
  running_ = false;
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto now_tick = static_cast<std::uint64_t>((now - epoch_) / kTick);
  // After a rest one turn of the wheel sees every slot.
  const std::uint64_t first =
      std::max(done_tick_ + 1, now_tick >= kSlots ? now_tick - kSlots + 1 : 0);
  for (std::uint64_t tick = first; tick <= now_tick; ++tick) {
    done_tick_ = tick;
    ticker_detail::Link due;
    ticker_detail::Link& slot = slots_[tick % kSlots];
    if (slot.linked()) {
      due.link_before(slot);
      slot.unlink();
    }
    while (due.linked()) {
      auto& limit = static_cast<Limit&>(*due.next);
      limit.unlink();
      if (!limit.set_) continue;
      if (limit.deadline_ > now) {
        link(limit);
        continue;
      }
      limit.clear();
      limit.expired_(limit.owner_);
    }
  }
  if (set_count_ > 0) start();
}

}  // namespace berth::http
