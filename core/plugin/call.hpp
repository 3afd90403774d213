// SPDX-License-Identifier: Apache-2.0
// `Call<T>`: one call of a plugin's function and the wait for its answer. Internal to core/plugin.
//
//   Call<void> call(interface, CallKind::kDestroy, deadline);
//   call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
//     table->destroy(self, op, deadline_ns, to_wire(id));
//   });
//   if (!call.done()) co_await call.wait();
//   co_return call.take();
//
// It lives in the frame of the coroutine that awaits it. The function is called before the
// coroutine suspends, so that arguments borrowed from the frame outlive the call wherever the
// answer comes from, and an answer given inside the call costs no suspension. Always leads to
// exactly one result.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "plugin/one_shot.hpp"
#include "plugin/plugin_runtime.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {

// One interface of an opened plugin, as calls need it.
struct Interface {
  PluginRuntime& runtime;
  void* self;
  void (*cancel)(void* self, berth_op op);
  // Owns all of it: a coroutine that is told of the plugin's end only afterwards keeps it.
  std::weak_ptr<const void> owner;
};

class CallBase : public PendingCall {
 public:
  CallBase(const CallBase&) = delete;
  CallBase& operator=(const CallBase&) = delete;

  // The plugin is told this time instead, so that it can still answer before the host gives up.
  void set_plugin_deadline(SteadyTime deadline) { plugin_deadline_ns_ = deadline_ns(deadline); }

  // Calls `function(op, deadline_ns)`, unless the outcome is known without it.
  template <typename Function>
  void invoke(Function&& function) {
    if (!enter()) return;
    try {
      function(op_, plugin_deadline_ns_);
    } catch (...) {
      threw();
    }
    leave();
  }

  bool done() const noexcept { return shot_.is_set(); }
  // If the waiting coroutine is cancelled, the call ends with CANCELLED.
  boost::asio::awaitable<void> wait() { return shot_.wait(&CallBase::cancel_wait, this); }
  // True if the host, not the plugin, ended it at the deadline.
  bool expired() const { return expired_; }

 protected:
  CallBase(const Interface& interface, CallKind kind, SteadyTime deadline);
  ~CallBase();

  // Sets the result without the plugin.
  virtual void fail(const Status& why) = 0;
  // Sets the result from the plugin's answer.
  virtual StatusCode read(const berth_status* status, const void* result) = 0;

 private:
  // 0: none.
  static std::uint64_t deadline_ns(SteadyTime deadline);
  static void cancel_wait(void* call);

  void accept(const berth_status* status, const void* result) noexcept final;
  void give_up(berth_op op, const Status& why) noexcept final;
  bool enter();
  void leave();
  void threw();
  void finish(StatusCode code) noexcept;

  // Of the call itself and of its answer, whichever comes second measures.
  enum Phase : int { kInside, kReturned, kAnswered };

  const std::shared_ptr<const void> keep_;
  const Interface& interface_;
  const CallKind kind_;
  const std::uint64_t deadline_ns_;
  std::uint64_t plugin_deadline_ns_;
  berth_op op_{0};
  SteadyTime begun_{};
  StatusCode code_ = StatusCode::kOk;  // written before kAnswered
  bool expired_ = false;               // written before shot_ is set
  bool blocked_told_ = false;          // written before kAnswered
  std::atomic<int> phase_{kInside};
  OneShot shot_;
};

template <typename T>
class Call final : public CallBase {
 public:
  Call(const Interface& interface, CallKind kind, SteadyTime deadline)
      : CallBase(interface, kind, deadline) {}

  // Once, when done.
  Result<T> take() { return std::move(*result_); }

 private:
  void fail(const Status& why) override { result_.emplace(why); }
  StatusCode read(const berth_status* status, const void* result) override {
    result_.emplace(read_answer<T>(status, result));
    return result_->has_value() ? StatusCode::kOk : result_->error().code();
  }

  std::optional<Result<T>> result_;
};

}  // namespace berth::plugin
