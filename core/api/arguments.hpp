// SPDX-License-Identifier: Apache-2.0
// The arguments of an invocation: an action's parameters with the request's payload over them, as
// text. A payload is checked without building a tree; only one with a key twice is read into a tree
// and written again, so that everyone who reads it later sees the last value.
//
// Stateless; Defaults is immutable and shared between threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.hpp"
#include "entity/action.hpp"

namespace berth::api {

// The parameters of one action made ready to be merged.
class Defaults {
 public:
  Defaults() = default;
  explicit Defaults(const entity::Parameters& parameters);

  bool empty() const { return members_.empty(); }

 private:
  friend Checked<std::string> merge_arguments(const Defaults& defaults, std::string_view payload,
                                              bool is_final);
  struct Member {
    std::string key;
    std::string text;  // "key":value; empty: an init parameter, which /run does not get
  };
  std::vector<Member> members_;  // sorted by key, each key once
  std::string text_;             // all the texts, with commas between
};

// The arguments as JSON text on one line. `payload` is a JSON object or blank. Fails with 400 for
// anything else, and for a payload that has a key of `defaults` while `is_final`.
Checked<std::string> merge_arguments(const Defaults& defaults, std::string_view payload,
                                     bool is_final);

}  // namespace berth::api
