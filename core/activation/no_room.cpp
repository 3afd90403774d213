// SPDX-License-Identifier: Apache-2.0
#include "activation/no_room.hpp"

#include <algorithm>
#include <utility>

#include "activation/run.hpp"
#include "base/log.hpp"

namespace berth::activation {

NoRoom::NoRoom(boost::asio::io_context& io, Milliseconds retry, Milliseconds retry_max)
    : timer_(io), retry_(retry), retry_max_(std::max(retry, retry_max)), next_(retry) {}

void NoRoom::rest(const std::shared_ptr<Run>& run) {
  if (stopped_) return;
  if (resting_.empty() && next_ == retry_) {
    log::warn("invoker", "accepted activations wait: the store cannot mark them as started");
  }
  resting_.push_back(run);
  arm();
}

void NoRoom::marked() {
  next_ = retry_;
  if (resting_.empty()) return;
  for (const std::weak_ptr<Run>& resting : std::exchange(resting_, {})) {
    if (const auto run = resting.lock()) run->wait_again();
  }
}

void NoRoom::stop() {
  stopped_ = true;
  resting_.clear();
  timer_.cancel();
}

void NoRoom::arm() {
  if (std::exchange(armed_, true)) return;
  timer_.expires_after(next_);
  next_ = std::min(next_ * 2, retry_max_);
  timer_.async_wait(
      [this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& error) {
        if (error || alive.expired()) return;
        armed_ = false;
        try_first();
      });
}

void NoRoom::try_first() {
  std::shared_ptr<Run> first;
  while (!first && !resting_.empty()) {
    first = resting_.front().lock();
    resting_.pop_front();
  }
  // Where it has to wait for a container it is not the only one to try.
  if (!resting_.empty()) arm();
  if (first) first->wait_again();
}

}  // namespace berth::activation
