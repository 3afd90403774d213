// SPDX-License-Identifier: Apache-2.0
// Reads back what a serialize() of this folder wrote; anything else there is damage. Not
// thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "entity/action.hpp"
#include "entity/json_read.hpp"

namespace berth::entity {

class StoredReader {
 public:
  // `object` must outlive it.
  explicit StoredReader(const boost::json::object& object) : object_(object) {}

  std::string text(std::string_view key) {
    const auto* value = object_.if_contains(key);
    const auto* string = value != nullptr ? value->if_string() : nullptr;
    if (string == nullptr) return fail(key), std::string();
    return std::string(string->data(), string->size());
  }
  std::int64_t integer(std::string_view key) {
    const auto* value = object_.if_contains(key);
    const auto* number = value != nullptr ? value->if_int64() : nullptr;
    return number != nullptr ? *number : (fail(key), 0);
  }
  bool flag(std::string_view key) {
    const auto* value = object_.if_contains(key);
    const auto* boolean = value != nullptr ? value->if_bool() : nullptr;
    return boolean != nullptr ? *boolean : (fail(key), false);
  }
  boost::json::object object(std::string_view key) {
    const auto* value = object_.if_contains(key);
    const auto* member = value != nullptr ? value->if_object() : nullptr;
    return member != nullptr ? *member : (fail(key), boost::json::object());
  }
  Parameters parameters(std::string_view key) {
    const auto* value = object_.if_contains(key);
    auto read = value != nullptr ? parse_parameters(*value, key) : bad_json(key, "is missing");
    return read ? std::move(*read) : (fail(key), Parameters());
  }
  // The first member that was not as it should be; empty: none.
  const std::string& failed() const { return failed_; }
  void fail(std::string_view key) {
    if (failed_.empty()) failed_ = key;
  }

 private:
  const boost::json::object& object_;
  std::string failed_;
};

}  // namespace berth::entity
