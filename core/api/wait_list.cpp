// SPDX-License-Identifier: Apache-2.0
#include "api/wait_list.hpp"

#include <utility>

namespace berth::api {

WaitList::Ticket WaitList::add(std::chrono::milliseconds wait, std::function<void()> expired) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + wait;
  const Ticket ticket = entries_.emplace(deadline, std::move(expired));
  if (deadline < armed_) arm();
  return ticket;
}

void WaitList::clear() {
  *alive_ = false;
  timer_.cancel();
  entries_.clear();
}

// The timer is left alone when entries go: firing once for nothing is cheaper than setting it again
// for each of them.
void WaitList::arm() {
  if (entries_.empty()) {
    armed_ = SteadyTime::max();
    return;
  }
  armed_ = entries_.begin()->first;
  timer_.expires_at(armed_);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (error || !*alive) return;
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!entries_.empty() && entries_.begin()->first <= now) {
      const std::function<void()> expired = std::move(entries_.begin()->second);
      entries_.erase(entries_.begin());
      expired();
    }
    arm();
  });
}

}  // namespace berth::api
