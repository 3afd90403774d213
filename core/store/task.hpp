// SPDX-License-Identifier: Apache-2.0
// A move-only callable, where std::function would demand a copy. A moved-from or default one is
// empty and must not be called. Not thread-safe.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace berth::store {

template <typename Signature>
class Task;

template <typename R, typename... Args>
class Task<R(Args...)> {
 public:
  Task() = default;
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Task>)
  Task(F&& f) : callable_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return callable_ != nullptr; }
  R operator()(Args... args) { return callable_->call(std::forward<Args>(args)...); }

 private:
  struct Callable {
    virtual ~Callable() = default;
    virtual R call(Args... args) = 0;
  };
  template <typename F>
  struct Holder : Callable {
    explicit Holder(F&& f) : function(std::move(f)) {}
    explicit Holder(const F& f) : function(f) {}
    R call(Args... args) override { return function(std::forward<Args>(args)...); }
    F function;
  };

  std::unique_ptr<Callable> callable_;
};

}  // namespace berth::store
