// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or the Status that says why there is none. For plugins; the core has its own.
// Thread-compatible.
#pragma once

#include <cassert>
#include <utility>
#include <variant>

#include "berth/sdk/status.hpp"

namespace berth::support {

template <typename T>
class [[nodiscard]] Result {
 public:
  // An error; only so that a coroutine that threw has something to end with.
  Result() : Result(sdk::internal("no result")) {}
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  // `status` must not be OK.
  Result(sdk::Status status) : held_(std::in_place_index<1>, std::move(status)) {
    assert(!error().ok() && "a Result without a value needs an error");
  }

  bool ok() const { return held_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only if ok().
  T& operator*() { return *std::get_if<0>(&held_); }
  const T& operator*() const { return *std::get_if<0>(&held_); }
  T* operator->() { return std::get_if<0>(&held_); }
  const T* operator->() const { return std::get_if<0>(&held_); }

  // Only if not ok().
  const sdk::Status& error() const { return *std::get_if<1>(&held_); }

 private:
  std::variant<T, sdk::Status> held_;
};

}  // namespace berth::support
