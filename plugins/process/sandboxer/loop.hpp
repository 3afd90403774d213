// SPDX-License-Identifier: Apache-2.0
// Loop: the sandboxer's one thread: descriptors by epoll, timers, and work for when nothing else is
// to do. Everything runs in run(), one callback after the other; callbacks may add and remove what
// they like, themselves included. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "protocol/unique_fd.hpp"

namespace berth::process {

class Loop {
 public:
  using FdCallback = std::function<void(uint32_t events)>;
  using Callback = std::function<void()>;
  using TimerId = uint64_t;

  Loop();

  // Calls back with epoll's events while `fd` is watched (level-triggered). The fd stays the
  // caller's, who removes it before closing it.
  void watch(int fd, uint32_t events, FdCallback callback);
  void change(int fd, uint32_t events);
  void unwatch(int fd);

  // Calls back once at `due_ns` of CLOCK_MONOTONIC.
  TimerId at(uint64_t due_ns, Callback callback);
  TimerId after_ms(uint64_t ms, Callback callback);
  // Harmless if it has fired.
  void cancel(TimerId timer);

  // Calls back once no descriptor and no timer is due: work that must not delay a request.
  void when_idle(Callback callback);

  void run();
  void stop() { running_ = false; }

 private:
  struct Watch {
    uint64_t generation;
    FdCallback callback;
  };

  void fire_timers();

  UniqueFd epoll_;
  bool running_ = false;
  uint64_t next_generation_ = 1;
  TimerId next_timer_ = 1;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<uint64_t, TimerId>, Callback> timers_;
  std::unordered_map<TimerId, uint64_t> due_;
  std::deque<Callback> idle_;
};

}  // namespace berth::process
