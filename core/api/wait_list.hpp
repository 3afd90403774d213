// SPDX-License-Identifier: Apache-2.0
// Calls that wait until a time, with one timer for all of them: a blocking invocation is the common
// case and nearly always ends before its time, so adding and removing costs no system call.
// Not thread-safe; belongs to one io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "base/clock.hpp"

namespace berth::api {

class WaitList {
 public:
  using Entries = std::multimap<SteadyTime, std::function<void()>>;
  using Ticket = Entries::iterator;

  explicit WaitList(boost::asio::io_context& io) : timer_(io) {}

  // Calls `expired` after `wait` from the io_context, unless it is removed first.
  Ticket add(std::chrono::milliseconds wait, std::function<void()> expired);
  // Only for a ticket whose `expired` was not called. Without effect after clear().
  void remove(Ticket ticket) {
    if (*alive_) entries_.erase(ticket);
  }
  // Forgets everything; nothing is called any more and nothing may be added.
  void clear();

 private:
  void arm();

  boost::asio::steady_timer timer_;
  SteadyTime armed_ = SteadyTime::max();  // when the timer fires
  Entries entries_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::api
