// SPDX-License-Identifier: Apache-2.0
#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace berth {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}
constexpr std::array<std::uint8_t, 256> kValues = make_values();

std::uint8_t value_of(char c) {
  return kValues[static_cast<unsigned char>(c)];
}

std::uint32_t bits_of(char digit) {
  return value_of(digit);
}

// How many of the last characters are padding, for a text whose length is a multiple of 4.
std::size_t padding_of(std::string_view text) {
  if (text.empty() || text.back() != '=') return 0;
  return text[text.size() - 2] == '=' ? 2 : 1;
}

// All that are no digits have the highest bit; looked for without a branch a character.
bool all_digits(std::string_view digits) {
  std::uint8_t seen = 0;
  for (const char c : digits) seen |= value_of(c);
  return (seen & 0x80) == 0;
}

// The first character that does not belong before the padding, or the size of that part.
std::size_t first_invalid(std::string_view digits) {
  std::size_t i = 0;
  while (i < digits.size() && value_of(digits[i]) != kInvalid) ++i;
  return i;
}

}  // namespace

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::string_view digits = text.substr(0, text.size() - padding_of(text));
  return all_digits(digits);
}

Result<std::string> base64_decode(std::string_view text) {
  const std::size_t padding = text.size() % 4 == 0 ? padding_of(text) : 0;
  const std::string_view digits = text.substr(0, text.size() - padding);
  if (!all_digits(digits)) {
    return sdk::invalid_argument("is not base64: byte " + std::to_string(first_invalid(digits)) +
                                 " is not of its alphabet");
  }
  if (text.size() % 4 != 0) {
    return sdk::invalid_argument("is not base64: its length of " + std::to_string(text.size()) +
                                 " is not a multiple of 4");
  }
  std::string bytes;
  bytes.resize(digits.size() * 3 / 4);
  char* out = bytes.data();
  std::size_t i = 0;
  for (; i + 4 <= digits.size(); i += 4) {
    const std::uint32_t bits = bits_of(digits[i]) << 18 | bits_of(digits[i + 1]) << 12 |
                               bits_of(digits[i + 2]) << 6 | bits_of(digits[i + 3]);
    *out++ = static_cast<char>(bits >> 16 & 0xff);
    *out++ = static_cast<char>(bits >> 8 & 0xff);
    *out++ = static_cast<char>(bits & 0xff);
  }
  // Two digits give one byte, three give two.
  if (digits.size() - i >= 2) {
    *out++ = static_cast<char>((bits_of(digits[i]) << 2 | bits_of(digits[i + 1]) >> 4) & 0xff);
  }
  if (digits.size() - i == 3) {
    *out++ = static_cast<char>((bits_of(digits[i + 1]) << 4 | bits_of(digits[i + 2]) >> 2) & 0xff);
  }
  return bytes;
}

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::size_t i = 0;
  const auto byte = [&](std::size_t at) -> std::uint32_t {
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
  };
  for (; i < bytes.size(); i += 3) {
    const std::uint32_t group = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2);
    text.push_back(kAlphabet[group >> 18]);
    text.push_back(kAlphabet[(group >> 12) & 63]);
    text.push_back(i + 1 < bytes.size() ? kAlphabet[(group >> 6) & 63] : '=');
    text.push_back(i + 2 < bytes.size() ? kAlphabet[group & 63] : '=');
  }
  return text;
}

}  // namespace berth
