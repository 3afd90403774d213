// SPDX-License-Identifier: Apache-2.0
#include "support/json_text.hpp"

#include <charconv>
#include <chrono>
#include <cstring>

namespace berth::support {
namespace {

// Where from `at` on the first byte is that may not be copied as it is. Nearly all text is plain:
// eight bytes at a time.
std::size_t plain_prefix(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t word) { return (word - kOnes) & ~word & kHigh; };
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word;
    if (((control | word) & kHigh) != 0 || has_zero(word ^ (kOnes * '"')) != 0 ||
        has_zero(word ^ (kOnes * '\\')) != 0) {
      break;
    }
  }
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
  }
  return at;
}

}  // namespace

// Bytes of the UTF-8 character at the start of `text`, 0 if it is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = first == 0xed ? 0x9f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const unsigned low = first == 0xf0 ? 0x90 : 0x80;
    const unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return byte(1) >= low && byte(1) <= high && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  std::size_t run = 0;  // where what is not copied yet begins
  const auto replace = [&](std::size_t at, std::string_view by) {
    out.append(text, run, at - run);
    out.append(by);
    run = at + 1;
  };
  for (std::size_t i = plain_prefix(text, 0); i < text.size(); i = plain_prefix(text, i + 1)) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      if (const std::size_t length = utf8_length(text.substr(i)); length != 0) {
        i += length - 1;
      } else {
        replace(i, "\xef\xbf\xbd");
      }
    } else if (c == '"') {
      replace(i, "\\\"");
    } else if (c == '\\') {
      replace(i, "\\\\");
    } else if (c == '\t') {
      replace(i, "\\t");
    } else if (c == '\r') {
      replace(i, "\\r");
    } else if (c == '\n') {
      replace(i, "\\n");
    } else if (c < 0x20) {
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      replace(i, {escape, sizeof escape});
    }
  }
  out.append(text, run);
  out.push_back('"');
}

void append_number(std::string& out, std::uint64_t number) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr);
}

void append_digits(std::string& out, std::uint64_t number, int width) {
  char buffer[20];
  for (int i = width - 1; i >= 0; --i) {
    buffer[i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
  out.append(buffer, static_cast<std::size_t>(width));
}

void append_time(std::string& out, std::int64_t time_ns) {
  using namespace std::chrono;
  const sys_time<nanoseconds> time{nanoseconds(time_ns)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  auto rest = static_cast<std::uint64_t>((time - day).count());
  append_digits(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  out.push_back('-');
  append_digits(out, static_cast<unsigned>(date.month()), 2);
  out.push_back('-');
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  constexpr std::uint64_t kSecond = 1'000'000'000;
  out.push_back('T');
  append_digits(out, rest / (3600 * kSecond), 2);
  rest %= 3600 * kSecond;
  out.push_back(':');
  append_digits(out, rest / (60 * kSecond), 2);
  rest %= 60 * kSecond;
  out.push_back(':');
  append_digits(out, rest / kSecond, 2);
  out.push_back('.');
  append_digits(out, rest % kSecond, 9);
  out.push_back('Z');
}

}  // namespace berth::support
