// SPDX-License-Identifier: Apache-2.0
// JSON written as text, without a tree. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth::support {

// Bytes of the UTF-8 character at the start of `text`, 0 if it is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text);

// `text` as a JSON string with its quotes. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

void append_number(std::string& out, std::uint64_t number);

// `number` with leading zeros.
void append_digits(std::string& out, std::uint64_t number, int width);

// "2026-01-02T03:04:05.678901234Z" of ns since the epoch.
void append_time(std::string& out, std::int64_t time_ns);

}  // namespace berth::support
