// SPDX-License-Identifier: Apache-2.0
#include "loop.hpp"

#include <algorithm>
#include <sys/epoll.h>

#include "sys.hpp"

namespace berth::process {
namespace {

// epoll's data word carries the descriptor and a generation, so that an event for a closed and
// reused number within one batch is recognised.
uint64_t pack(int fd, uint64_t generation) {
  return (generation << 32) | static_cast<uint32_t>(fd);
}

}  // namespace

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

void Loop::watch(int fd, uint32_t events, FdCallback callback) {
  const uint64_t generation = next_generation_++ & 0xffffffff;
  watches_[fd] = std::make_shared<Watch>(Watch{generation, std::move(callback)});
  epoll_event event{};
  event.events = events;
  event.data.u64 = pack(fd, generation);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Loop::change(int fd, uint32_t events) {
  const auto it = watches_.find(fd);
  if (it == watches_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = pack(fd, it->second->generation);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::unwatch(int fd) {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::at(uint64_t due_ns, Callback callback) {
  const TimerId id = next_timer_++;
  timers_.emplace(std::make_pair(due_ns, id), std::move(callback));
  due_.emplace(id, due_ns);
  return id;
}

Loop::TimerId Loop::after_ms(uint64_t ms, Callback callback) {
  return at(sys::monotonic_ns() + ms * 1'000'000, std::move(callback));
}

void Loop::cancel(TimerId timer) {
  const auto it = due_.find(timer);
  if (it == due_.end()) return;
  timers_.erase({it->second, timer});
  due_.erase(it);
}

void Loop::when_idle(Callback callback) {
  idle_.push_back(std::move(callback));
}

void Loop::fire_timers() {
  if (timers_.empty()) return;
  const uint64_t now = sys::monotonic_ns();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto node = timers_.extract(timers_.begin());
    due_.erase(node.key().second);
    node.mapped()();
  }
}

void Loop::run() {
  running_ = true;
  epoll_event events[64];
  while (running_) {
    int timeout_ms = -1;
    if (!idle_.empty()) {
      timeout_ms = 0;
    } else if (!timers_.empty()) {
      const uint64_t now = sys::monotonic_ns();
      const uint64_t due = timers_.begin()->first.first;
      timeout_ms = due <= now
                       ? 0
                       : static_cast<int>(std::min<uint64_t>((due - now) / 1'000'000 + 1, 60'000));
    }
    const int n = ::epoll_wait(epoll_.get(), events, 64, timeout_ms);
    for (int i = 0; i < n && running_; ++i) {
      const int fd = static_cast<int>(events[i].data.u64 & 0xffffffff);
      const auto it = watches_.find(fd);
      if (it == watches_.end() || it->second->generation != events[i].data.u64 >> 32) continue;
      // Held here: the callback may unwatch itself.
      const std::shared_ptr<Watch> held = it->second;
      held->callback(events[i].events);
    }
    fire_timers();
    if (n <= 0 && !idle_.empty() && running_) {
      Callback callback = std::move(idle_.front());
      idle_.pop_front();
      callback();
    }
  }
}

}  // namespace berth::process
