// SPDX-License-Identifier: Apache-2.0
// Activation ids as the tables keep them: 32 hex digits as 16 bytes, half the index. Private to
// core/store; stateless.
#pragma once

#include <string>
#include <string_view>

namespace berth::store {

inline std::string pack_id(std::string_view id) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes(id.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(digit(id[2 * i]) * 16 + digit(id[2 * i + 1]));
  }
  return bytes;
}

inline std::string unpack_id(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id;
  id.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    id.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    id.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
  return id;
}

}  // namespace berth::store
