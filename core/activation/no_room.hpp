// SPDX-License-Identifier: Apache-2.0
// Activations whose rows cannot be marked because the disk is full.
//
// Nothing may be sent for them, so they must hold no container either: whoever needs no mark would
// wait for one that does nothing. They rest here, without a place in the pool's queue. From time to
// time the first of them tries again; when its row was marked there is room, and all go on in their
// order. Private to the Invoker; not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>

namespace berth::activation {

class Run;

class NoRoom {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // `retry` is doubled with each try without success, up to `retry_max`.
  NoRoom(boost::asio::io_context& io, Milliseconds retry, Milliseconds retry_max);

  // It has neither a lease nor a place in the queue.
  void rest(const std::shared_ptr<Run>& run);
  // A row was marked.
  void marked();
  void stop();

 private:
  void arm();
  void try_first();

  boost::asio::steady_timer timer_;
  const Milliseconds retry_;
  const Milliseconds retry_max_;
  Milliseconds next_;
  bool armed_ = false;
  bool stopped_ = false;
  std::deque<std::weak_ptr<Run>> resting_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::activation
