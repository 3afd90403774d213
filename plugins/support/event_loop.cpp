// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"

#include <pthread.h>
#include <signal.h>

namespace berth::support {

EventLoop::EventLoop(const std::string& name) : work_(context_.get_executor()) {
  // A thread inherits its creator's mask: with all signals blocked meanwhile, none of berthd's ever
  // interrupts this one.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { context_.run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

EventLoop::~EventLoop() {
  stop();
}

void EventLoop::stop() {
  work_.reset();
  context_.stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace berth::support
