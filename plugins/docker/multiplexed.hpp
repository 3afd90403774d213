// SPDX-License-Identifier: Apache-2.0
// The logs endpoint's stream: frames of 8 bytes head (stream, three zeros, length) and payload, of
// which each payload is, with timestamps asked for, one record "2026-01-02T03:04:05.678901234Z
// text". A pure value; the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace berth::docker {

struct LogRecord {
  int stream = 1;  // 1 or 2
  std::int64_t time_ns = 0;
  bool partial = false;   // the text does not end a line
  std::string_view text;  // without its line end
};

// Nanoseconds since the epoch of an RFC 3339 time in UTC with up to nine digits of fraction; -1 if
// it is none.
std::int64_t parse_time(std::string_view text);

// The same for many times, of which most are of the same second as the one before: that is not
// worked out again.
class TimeReader {
 public:
  std::int64_t read(std::string_view text);

 private:
  char known_[19];
  std::int64_t seconds_ = -1;  // of `known_`; -1: of nothing
};

class FrameDecoder {
 public:
  // `sink` gets each record; its text is valid during the call.
  explicit FrameDecoder(std::function<void(const LogRecord&)> sink) : sink_(std::move(sink)) {}
  // False once the stream makes no sense any more: a frame of more than 16 MiB or of no stream.
  bool feed(std::string_view bytes);

 private:
  bool frame(int stream, std::string_view payload);

  const std::function<void(const LogRecord&)> sink_;
  TimeReader times_;
  std::string rest_;
  bool broken_ = false;
};

}  // namespace berth::docker
