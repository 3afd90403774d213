// SPDX-License-Identifier: Apache-2.0
// The lines of the log files: one JSON object each, written from text templates and read back.
//
//   {"time":"2026-01-02T03:04:05.678901234Z","stream":"stdout","sequence":0,"log":"hello",
//    "activationId":"44794b...","action":"guest/demo/hello","namespace":"guest","namespaceId":"23bc..."}
//
// The last line of a finished activation has "final":true. What ended without any further line gets
// one of its own, without stream, sequence and log. Names are those that OpenWhisk's file store
// has. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/sdk/log_store.hpp"

namespace berth::file {

using ActivationId = std::array<unsigned char, 16>;

// 32 lower-case hex digits, or nothing.
std::optional<ActivationId> parse_id(std::string_view text);

// All the lines of one append, each with its line's end. `now_ns` (since the epoch) is the time of
// a line that has none of its own. Text that is not UTF-8 has U+FFFD in place of the bad bytes.
std::string format_lines(const sdk::ActivationRefView& activation, sdk::LogLinesView lines,
                         bool final, std::int64_t now_ns);

struct ParsedLine {
  ActivationId id{};
  std::string namespace_name;
  bool has_text = false;  // else it only says that the activation ended
  bool final = false;
  sdk::Stream stream = sdk::Stream::kStdout;
  std::int64_t time_ns = 0;
  std::uint64_t sequence = 0;
  std::string text;
};

// What an index needs of a line.
struct ScannedLine {
  ActivationId id{};
  bool first = false;  // has sequence 0
  bool final = false;
};

// Reads as much of a line, without its end. Looks only at the shape of what format_lines() writes,
// and not at the text in it, which may be damaged; parse_line() tells. Nothing if it is no line.
std::optional<ScannedLine> scan_line(std::string_view line);

// Reads one line, without its end. Nothing if it is damaged.
std::optional<ParsedLine> parse_line(std::string_view line);

// "2026-01-02T03:04:05.678901234Z" and back.
std::string format_time(std::int64_t time_ns);
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace berth::file
