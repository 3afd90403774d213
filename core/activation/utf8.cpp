// SPDX-License-Identifier: Apache-2.0
#include "activation/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace berth::activation {
namespace {

// Bytes of the character at `at`: > 0 if it is whole, else minus the bytes that one U+FFFD
// replaces.
int character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const std::uint8_t first = byte(at);
  if (first < 0x80) return 1;
  int length = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return -1;
  }
  for (int i = 1; i < length; ++i) {
    const std::uint8_t next = byte(at + static_cast<std::size_t>(i));
    if (next < low || next > high) return -i;
    low = 0x80;
    high = 0xbf;
  }
  return length;
}

std::size_t valid_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    // Nearly all output is ASCII: eight bytes at a time.
    std::uint64_t eight = 0;
    while (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080ull) != 0) break;
      at += sizeof eight;
    }
    if (at == text.size()) break;
    const int bytes = character_at(text, at);
    if (bytes < 0) return at;
    at += static_cast<std::size_t>(bytes);
  }
  return at;
}

}  // namespace

bool is_utf8(std::string_view text) {
  return valid_prefix(text) == text.size();
}

std::string to_utf8(std::string text) {
  std::size_t at = valid_prefix(text);
  if (at == text.size()) return text;
  std::string clean(text, 0, at);
  while (at < text.size()) {
    const int bytes = character_at(text, at);
    if (bytes > 0) {
      clean.append(text, at, static_cast<std::size_t>(bytes));
      at += static_cast<std::size_t>(bytes);
    } else {
      clean.append("\xef\xbf\xbd");
      at += static_cast<std::size_t>(-bytes);
    }
  }
  return clean;
}

std::size_t utf8_cut(std::string_view text, std::size_t length) {
  if (length >= text.size()) return text.size();
  std::size_t cut = length;
  for (int back = 0; back < 3 && cut > 0 && (static_cast<std::uint8_t>(text[cut]) & 0xc0) == 0x80;
       ++back) {
    --cut;
  }
  // More continuation bytes than a character has: it is no UTF-8, any place is as good.
  return (static_cast<std::uint8_t>(text[cut]) & 0xc0) == 0x80 ? length : cut;
}

}  // namespace berth::activation
