// SPDX-License-Identifier: Apache-2.0
#include "plugin/call.hpp"

#include <exception>
#include <string>
#include <thread>

namespace berth::plugin {

CallBase::CallBase(const Interface& interface, CallKind kind, SteadyTime deadline)
    : keep_(interface.owner.lock()),
      interface_(interface),
      kind_(kind),
      deadline_ns_(deadline_ns(deadline)),
      plugin_deadline_ns_(deadline_ns_) {}

// A coroutine that is destroyed instead of resumed leaves its operation behind as abandoned.
CallBase::~CallBase() {
  if (op_.id == 0 || done()) return;
  if (interface_.runtime.table.give_up(op_, sdk::cancelled("nobody waits for the call"))) return;
  while (!done()) std::this_thread::yield();  // an answer is being delivered right now
}

std::uint64_t CallBase::deadline_ns(SteadyTime deadline) {
  return deadline == SteadyTime::max() ? 0 : monotonic_ns(deadline);
}

bool CallBase::enter() {
  PluginRuntime& runtime = interface_.runtime;
  begun_ = runtime.clock.steady_now();
  if (deadline_ns_ != 0 && deadline_ns_ <= monotonic_ns(begun_)) {
    expired_ = true;
    fail(sdk::deadline_exceeded("no time left to call " + std::string(to_string(kind_)) +
                                " of the plugin '" + runtime.plugin() + "'"));
    shot_.set();
    return false;
  }
  if (!runtime.gate.enter()) {
    fail(sdk::unavailable("the plugin '" + runtime.plugin() + "' is closed"));
    shot_.set();
    return false;
  }
  op_ = runtime.table.begin(*this, kind_, deadline_ns_);
  if (op_.id == 0) {
    runtime.gate.leave();
    fail(sdk::resource_exhausted("too many operations of the plugin '" + runtime.plugin() +
                                 "' are open"));
    shot_.set();
    return false;
  }
  return true;
}

void CallBase::leave() {
  PluginRuntime& runtime = interface_.runtime;
  runtime.gate.leave();
  const auto took = runtime.clock.steady_now() - begun_;
  const bool answered = phase_.exchange(kReturned, std::memory_order_acq_rel) == kAnswered;
  if (answered) runtime.stats.answered(kind_, code_, took);
  if (!answered || !blocked_told_) runtime.stats.returned(to_string(kind_), took);
}

void CallBase::threw() {
  PluginRuntime& runtime = interface_.runtime;
  std::string what = "the plugin let an exception cross the boundary";
  try {
    throw;
  } catch (const std::exception& error) {
    what.append(": ").append(error.what());
  } catch (...) {  // foreign, or thrown by another C++ library
  }
  runtime.stats.threw(to_string(kind_));
  runtime.table.give_up(op_, sdk::internal(what));
}

void CallBase::accept(const berth_status* status, const void* result) noexcept {
  StatusCode code = StatusCode::kResourceExhausted;
  try {
    code = read(status, result);
  } catch (const std::exception& error) {
    fail(sdk::resource_exhausted(std::string("no room for the plugin's answer: ") + error.what()));
  }
  finish(code);
}

void CallBase::give_up(berth_op op, const Status& why) noexcept {
  expired_ = why.code() == StatusCode::kDeadlineExceeded;
  fail(why);
  PluginRuntime& runtime = interface_.runtime;
  if (phase_.load(std::memory_order_acquire) == kInside) {
    // It may never return: this is the time to tell that it blocks.
    runtime.stats.returned(to_string(kind_), runtime.clock.steady_now() - begun_);
    blocked_told_ = true;
  }
  runtime.cancel_later(interface_.cancel, interface_.self, op);
  finish(why.code());
}

// After set() the call may be gone.
void CallBase::finish(StatusCode code) noexcept {
  PluginRuntime& runtime = interface_.runtime;
  code_ = code;
  if (phase_.exchange(kAnswered, std::memory_order_acq_rel) == kReturned) {
    runtime.stats.answered(kind_, code, runtime.clock.steady_now() - begun_);
  }
  shot_.set();
}

void CallBase::cancel_wait(void* call) {
  auto* self = static_cast<CallBase*>(call);
  self->interface_.runtime.table.give_up(self->op_, sdk::cancelled("the caller gave up"));
}

}  // namespace berth::plugin
