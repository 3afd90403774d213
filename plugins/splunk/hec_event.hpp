// SPDX-License-Identifier: Apache-2.0
// Lines as events of Splunk's HTTP Event Collector, JSON objects one after another:
//
//   {"time":1795345348.371920000,"host":"b1","source":"berth","sourcetype":"berth:activation",
//    "index":"main","event":{"log_timestamp":"2026-11-22T10:22:28.371920000Z",
//    "log_stream":"stdout","namespace":"guest","activation_id":"4479...","sequence":0,
//    "action":"guest/hello","namespaceId":"23bc...","log_message":"hello"}}
//
// A line that is longer than an event may be is sent in parts ("part":0,"parts":3). The last line
// has "final":true; an activation that ends without a further line has an event of its own, with
// the sequence kEnd and no message. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/log_store.hpp"
#include "settings.hpp"

namespace berth::splunk {

// Splunk's numbers are exact up to here.
inline constexpr std::uint64_t kEnd = (std::uint64_t{1} << 53) - 1;

// The events of one append. `now_ns` is the time of an end without a line.
std::string format_events(const Settings& settings, const sdk::ActivationRefView& activation,
                          sdk::LogLinesView lines, bool final, std::int64_t now_ns);

// A part of a line as it comes back.
struct Piece {
  std::uint64_t sequence = 0;
  std::uint32_t part = 0;
  std::uint32_t parts = 1;
  bool final = false;
  sdk::Stream stream = sdk::Stream::kStdout;
  std::int64_t time_ns = 0;
  std::string text;
};

// The pieces of what format_events() made; a damaged event ends it.
std::vector<Piece> parse_events(const Settings& settings, std::string_view events,
                                std::string_view namespace_name);

// Pieces in any order, and more than once, as the lines they are parts of.
class Assembly {
 public:
  // Pieces of lines before `first` are passed over.
  explicit Assembly(std::uint64_t first) : first_(first) {}

  void add(Piece piece);
  // Something was added, if only an end.
  bool known() const { return known_; }
  // Every line from the first to the end is there.
  bool complete() const;
  // Whole lines in their order, at most about `max_bytes` of them, at least one. `more`: there are
  // others after them, and the rest of the last one may be among those. `partial` is set if lines
  // are missing between them.
  sdk::LogPage page(std::uint64_t max_bytes, bool more, bool& partial) const;
  // Whole lines from the first on without a gap, at most about `max_bytes` of them. The cursor is
  // empty only after the last one.
  sdk::LogPage tail(std::uint64_t max_bytes) const;
  // The activation's end was added, whatever is missing before it.
  bool ended() const { return final_; }
  // Something is there after a gap.
  bool gap() const;
  // The line at the front is not whole.
  bool front_is_torn() const;

 private:
  struct Line {
    std::map<std::uint32_t, Piece> parts;
    bool whole() const { return !parts.empty() && parts.size() == parts.begin()->second.parts; }
    std::size_t bytes() const;
    void add_to(sdk::LogPage& page, std::uint64_t sequence) const;
  };

  const std::uint64_t first_;
  std::map<std::uint64_t, Line> lines_;
  bool known_ = false;
  bool final_ = false;
  std::uint64_t end_ = 0;  // with final_: the sequence after the last line, if that is known
  bool end_known_ = false;
};

std::int64_t parse_time(std::string_view text);

}  // namespace berth::splunk
