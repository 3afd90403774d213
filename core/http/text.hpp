// SPDX-License-Identifier: Apache-2.0
// The character classes of HTTP/1.1 (RFC 9110, RFC 9112) and comparison without case.
// Thread-safe: constants and pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace berth::http {

namespace text_detail {

enum : std::uint8_t { kToken = 1, kTarget = 4, kHost = 8, kHexDigit = 16 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto mark = [&classes](std::string_view characters, std::uint8_t bit) {
    for (const char c : characters) classes[static_cast<unsigned char>(c)] |= bit;
  };
  const std::string_view alphanumeric =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  mark(alphanumeric, kToken | kHost);
  mark("!#$%&'*+-.^_`|~", kToken);
  mark("-._~!$&'()*+,;=%:[]", kHost);
  mark("0123456789abcdefABCDEF", kHexDigit);
  // A fragment never goes over the wire, so '#' in a target is a mistake or an attempt.
  for (unsigned c = 0x21; c <= 0x7e; ++c) {
    if (c != '#') classes[c] |= kTarget;
  }
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

constexpr bool is(char c, std::uint8_t bit) {
  return (kClasses[static_cast<unsigned char>(c)] & bit) != 0;
}

constexpr bool all(std::string_view text, std::uint8_t bit) {
  for (const char c : text) {
    if (!is(c, bit)) return false;
  }
  return true;
}

}  // namespace text_detail

constexpr bool is_token_char(char c) {
  return text_detail::is(c, text_detail::kToken);
}
constexpr bool is_token(std::string_view text) {
  return !text.empty() && text_detail::all(text, text_detail::kToken);
}
// No control characters but the tab: what may stand in a field's value.
constexpr bool is_field_text(std::string_view text) {
  // Without a branch a character, so that the compiler can take many at a time.
  unsigned bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>(byte < 0x20) & static_cast<unsigned>(byte != '\t');
    bad |= static_cast<unsigned>(byte == 0x7f);
  }
  return bad == 0;
}
constexpr bool is_target_char(char c) {
  return text_detail::is(c, text_detail::kTarget);
}
constexpr bool is_host_text(std::string_view text) {
  return text_detail::all(text, text_detail::kHost);
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
// 0 to 15, or -1.
constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}
// Without spaces and tabs at either end.
constexpr std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}
// "type/subtype" of a Content-Type, without its parameters. To be compared with iequals().
constexpr std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

}  // namespace berth::http
