// SPDX-License-Identifier: Apache-2.0
// The arguments of an invocation: an action's parameters with the request's payload over them, as
// text. A payload is checked without building a tree; only one with a key twice is read into a tree
// and written again, so that everyone who reads it later sees the last value.
//
// Stateless; Defaults is immutable and shared between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "entity/action.hpp"

namespace berth::entity {

// The parameters of one action made ready to be merged.
class Defaults {
 public:
  Defaults() = default;
  explicit Defaults(const Parameters& parameters);

  bool empty() const { return members_.empty(); }
  // About what it takes in memory.
  std::size_t bytes() const;

 private:
  friend Result<std::string> merge(const Defaults& defaults, std::string_view payload,
                                   bool is_final, std::size_t max_depth);
  struct Member {
    std::string key;
    std::string text;  // "key":value; empty: an init parameter, which /run does not get
  };
  std::vector<Member> members_;  // sorted by key, each key once
  std::string text_;             // all the texts, with commas between
};

// The arguments as JSON text on one line. `payload` is a JSON object or blank. INVALID_ARGUMENT (in
// words for the author of the payload) for anything else; FAILED_PRECONDITION for a payload that
// has a key of `defaults` while `is_final`.
Result<std::string> merge_arguments(const Defaults& defaults, std::string_view payload,
                                    bool is_final);

// The same of an action without parameters, with members of our own before those of the payload,
// which has none whose key begins with `reserved`. `front` is their text, with commas between and
// no line ends. nullopt: it is not as simple as that (no object, broken, a reserved key, a key
// twice), and is to be read into a tree.
std::optional<std::string> put_in_front(std::string_view front, std::string_view payload,
                                        std::string_view reserved);

// What one action's result is to the next one: merged as above if it is an object; an array is
// handed on as it is, on one line. `payload` is valid JSON.
Result<std::string> step_arguments(const Defaults& defaults, std::string_view payload);

// The parameters of actions in their merged-in form, kept from one invocation to the next. Belongs
// to one thread.
class DefaultsCache {
 public:
  static constexpr std::size_t kMaxBytes = 64u << 20;
  explicit DefaultsCache(std::size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}

  std::shared_ptr<const Defaults> of(const Action& action);

 private:
  struct Prepared {
    std::uint64_t revision = 0;
    std::shared_ptr<const Defaults> defaults;
  };
  std::unordered_map<std::string, Prepared> prepared_;  // by the action's path
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
};

}  // namespace berth::entity
