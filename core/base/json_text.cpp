// SPDX-License-Identifier: Apache-2.0
#include "base/json_text.hpp"

#include <charconv>

namespace berth {
namespace {

bool is_plain(char c) {
  return (static_cast<unsigned char>(c) >= 0x20) & (c != '"') & (c != '\\');
}

// Nearly every name and id: looked at without a branch a character.
bool all_plain(std::string_view text) {
  unsigned special = 0;
  for (const char c : text) special |= static_cast<unsigned>(!is_plain(c));
  return special == 0;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  if (all_plain(text)) {
    out.append(text).push_back('"');
    return;
  }
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (is_plain(c)) continue;
    out.append(text, begin, at - begin);
    begin = at + 1;
    switch (c) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      default: {
        constexpr std::string_view kHex = "0123456789abcdef";
        out.append("\\u00");
        out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
      }
    }
  }
  out.append(text, begin);
  out.push_back('"');
}

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

}  // namespace berth
