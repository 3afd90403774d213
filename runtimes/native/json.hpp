// SPDX-License-Identifier: Apache-2.0
// Just enough JSON for a proxy that passes values on as text: check a text once, then look into it
// without building a tree. Every function but validate() expects text that validate() accepted; the
// views returned point into that text. Pure functions, thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::native {

// Checks one whole JSON value. On failure fills `error` with what is wrong, in the words of Go's
// decoder (which is what clients of ActionLoop runtimes see).
bool validate(std::string_view text, std::string& error);

// The text without white space around it.
std::string_view trim(std::string_view text);

// The raw value of a member of an object, the last one of that name; nothing if `text` is no object
// or has no such member.
std::optional<std::string_view> find_member(std::string_view text, std::string_view name);

// Calls visit(name, raw value) for each member of an object, in order.
template <typename Visitor>
void for_each_member(std::string_view object, Visitor visit);

// The characters of a raw string, UTF-8; lone surrogates become U+FFFD.
std::string unescape(std::string_view raw);

// The value without insignificant white space.
std::string compact(std::string_view text);

// The characters as a JSON string with its quotes.
std::string quote(std::string_view text);

namespace detail {
// Splits the next `"name": value` off the inside of an object; false at its end.
bool next_member(std::string_view& rest, std::string_view& name, std::string_view& value);
}  // namespace detail

template <typename Visitor>
void for_each_member(std::string_view object, Visitor visit) {
  object = trim(object);
  if (object.empty() || object.front() != '{') return;
  std::string_view rest = object.substr(1);
  std::string_view name;
  std::string_view value;
  while (detail::next_member(rest, name, value)) visit(name, value);
}

}  // namespace berth::native
