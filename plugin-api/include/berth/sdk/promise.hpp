// SPDX-License-Identifier: Apache-2.0
// `Promise<T>`: the duty to answer one operation, exactly once, from any thread.
//
//   void destroy(std::string_view id, Promise<void> done) override {
//     pool_.post([this, id = std::string(id), done = std::move(done)]() mutable {
//       if (remove(id)) done.ok();
//       else done.fail(berth::sdk::not_found("no container " + id));
//     });
//   }
//
// A Promise is move-only. Its destructor answers INTERNAL if nothing else was answered, so that an
// operation can neither be lost nor (a second answer has no effect) be answered twice; an exception
// that leaves an override is answered with INTERNAL and its text. Answering never calls back into
// the plugin. Not thread-safe as an object: one thread at a time owns it.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "berth/plugin/abi.h"
#include "berth/plugin/host.h"
#include "berth/sdk/status.hpp"
#include "berth/sdk/strings.hpp"

namespace berth::sdk {

// How a result type crosses the boundary: a specialisation has
// `static void complete(const berth_host&, berth_op, const berth_status&, T)`.
template <typename T>
struct Wire;

template <typename T>
class Promise;

namespace detail {

inline berth_status wire_status(const Status& status) {
  return berth_status{sizeof(berth_status), static_cast<std::int32_t>(status.code()),
                      status.flags(), 0, str(status.message())};
}

inline void complete_failed(const berth_host& host, berth_op op, const Status& status) noexcept {
  const berth_status wire = wire_status(status);
  host.complete(host.context, op, &wire, nullptr);
}

// A call from the host that is on this thread's stack now. A promise that dies unanswered inside it
// leaves the answer to the call, which knows the exception that killed it.
struct CallFrame {
  berth_op op;
  bool dropped = false;
  CallFrame* outer = nullptr;
};

inline CallFrame*& current_call() noexcept {
  // Trivial, so that no destructor is registered that would keep the plugin mapped.
  static thread_local CallFrame* current = nullptr;
  return current;
}

class PromiseBase {
 public:
  PromiseBase(const berth_host* host, berth_op op, std::uint64_t deadline_ns) noexcept
      : host_(host), op_(op), deadline_ns_(deadline_ns) {}
  PromiseBase(PromiseBase&& other) noexcept
      : host_(std::exchange(other.host_, nullptr)),
        op_(other.op_),
        deadline_ns_(other.deadline_ns_) {}
  PromiseBase& operator=(PromiseBase&& other) noexcept {
    if (this != &other) {
      drop();
      host_ = std::exchange(other.host_, nullptr);
      op_ = other.op_;
      deadline_ns_ = other.deadline_ns_;
    }
    return *this;
  }
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;
  ~PromiseBase() { drop(); }

  // True until it is answered or moved from.
  bool pending() const noexcept { return host_ != nullptr; }

  // The operation's id, as `on_cancel` gets it. Stays the same after the answer.
  std::uint64_t id() const noexcept { return op_.id; }

  // When the host gives up; time_point::max() if never.
  std::chrono::steady_clock::time_point deadline() const noexcept {
    using Clock = std::chrono::steady_clock;
    constexpr auto kMax = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::duration::max()).count());
    if (deadline_ns_ == 0 || deadline_ns_ >= kMax) return Clock::time_point::max();
    return Clock::time_point(
        std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(deadline_ns_)));
  }
  // The same in ns of CLOCK_MONOTONIC; 0: never.
  std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }

  // Answers with an error. An OK status is a bug of the caller and is answered with INTERNAL.
  void fail(const Status& status) noexcept {
    const berth_host* host = std::exchange(host_, nullptr);
    if (host == nullptr) return;
    if (!status.ok()) return complete_failed(*host, op_, status);
    static constexpr std::string_view kText = "the plugin failed an operation with an OK status";
    const berth_status wire{sizeof(berth_status), BERTH_INTERNAL, 0, 0, str(kText)};
    host->complete(host->context, op_, &wire, nullptr);
  }

 protected:
  template <typename T>
  void complete(const Status& status, T&& result) noexcept {
    const berth_host* host = std::exchange(host_, nullptr);
    if (host == nullptr) return;
    try {
      Wire<std::decay_t<T>>::complete(*host, op_, wire_status(status), std::forward<T>(result));
    } catch (...) {  // no memory for the result's arrays
      static constexpr std::string_view kText = "the plugin ran out of memory for a result";
      const berth_status wire{sizeof(berth_status), BERTH_RESOURCE_EXHAUSTED,
                              BERTH_STATUS_RETRYABLE, 0, str(kText)};
      host->complete(host->context, op_, &wire, nullptr);
    }
  }
  void complete_empty() noexcept {
    const berth_host* host = std::exchange(host_, nullptr);
    if (host != nullptr) host->complete(host->context, op_, nullptr, nullptr);
  }

 private:
  void drop() noexcept {
    const berth_host* host = std::exchange(host_, nullptr);
    if (host == nullptr) return;
    for (CallFrame* call = current_call(); call != nullptr; call = call->outer) {
      if (call->op.id == op_.id) {
        call->dropped = true;
        return;
      }
    }
    static constexpr std::string_view kText = "the plugin dropped the operation unanswered";
    const berth_status wire{sizeof(berth_status), BERTH_INTERNAL, 0, 0, str(kText)};
    host->complete(host->context, op_, &wire, nullptr);
  }

  const berth_host* host_;
  berth_op op_;
  std::uint64_t deadline_ns_;
};

}  // namespace detail

template <typename T>
class Promise : public detail::PromiseBase {
 public:
  using PromiseBase::PromiseBase;

  // Answers with a result.
  void ok(T result) noexcept { this->complete(Status(), std::move(result)); }
  // Answers with what there is of a result; the host sees PARTIAL.
  void partial(T result) noexcept {
    this->complete(Status(StatusCode::kOk, std::string(), kPartial), std::move(result));
  }
};

template <>
class Promise<void> : public detail::PromiseBase {
 public:
  using PromiseBase::PromiseBase;
  void ok() noexcept { complete_empty(); }
};

// An error thrown where no Status can be returned: from a plugin's constructor or an override.
class Error : public std::exception {
 public:
  explicit Error(Status status) : status_(std::move(status)) {}
  const Status& status() const noexcept { return status_; }
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
};

namespace detail {

// The exception being handled as a Status. Call only inside a catch block.
inline Status current_exception_status() {
  try {
    throw;
  } catch (const Error& error) {
    return error.status().ok() ? sdk::internal("the plugin threw an OK status") : error.status();
  } catch (const std::exception& error) {
    return sdk::internal(std::string("the plugin threw: ") + error.what());
  } catch (...) {
    return sdk::internal("the plugin threw something that is no std::exception");
  }
}

// Runs one override: `call(Promise<T>)`. Whatever it does, the operation is answered once.
template <typename T, typename Call>
void run_operation(const berth_host* host, berth_op op, std::uint64_t deadline_ns,
                   Call&& call) noexcept {
  CallFrame frame{op, false, current_call()};
  current_call() = &frame;
  try {
    call(Promise<T>(host, op, deadline_ns));
    current_call() = frame.outer;
    if (frame.dropped) Promise<T>(host, op, deadline_ns);  // its destructor answers
  } catch (...) {
    current_call() = frame.outer;
    if (!frame.dropped) return;  // answered already, or moved to where it will be
    try {
      complete_failed(*host, op, current_exception_status());
    } catch (...) {
      Promise<T>(host, op, deadline_ns);
    }
  }
}

}  // namespace detail
}  // namespace berth::sdk
