// SPDX-License-Identifier: Apache-2.0
// Reading members of a client's or operator's JSON with errors that name the JSON pointer, e.g.
// "/limits/memory: must be an integer". Thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace berth::entity {

inline Status bad_json(std::string_view pointer, std::string_view reason) {
  return sdk::invalid_argument(std::string(pointer).append(": ").append(reason));
}

// A member, or null if it is absent or JSON null: clients write both for "not given".
inline const boost::json::value* given(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

// An integer, also one written as 256.0 or 2.56e2.
inline Result<std::int64_t> read_integer(const boost::json::value& value,
                                         std::string_view pointer) {
  if (const auto* number = value.if_int64()) return *number;
  if (const auto* number = value.if_double();
      number != nullptr && *number == std::trunc(*number) && std::abs(*number) < 9.0e15) {
    return static_cast<std::int64_t>(*number);
  }
  return bad_json(pointer, "must be an integer");
}

inline Result<std::string> read_string(const boost::json::value& value, std::string_view pointer) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  return bad_json(pointer, "must be a string");
}

inline Result<bool> read_bool(const boost::json::value& value, std::string_view pointer) {
  if (const auto* flag = value.if_bool()) return *flag;
  return bad_json(pointer, "must be true or false");
}

}  // namespace berth::entity
