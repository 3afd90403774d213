// SPDX-License-Identifier: Apache-2.0
#include "docker/multiplexed.hpp"

#include <chrono>
#include <cstring>

namespace berth::docker {
namespace {

constexpr std::size_t kHead = 8;
constexpr std::size_t kLongestFrame = 16u << 20;

bool digits(std::string_view text, std::size_t at, std::size_t count, int& value) {
  value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  return true;
}

// Of "2026-01-02T03:04:05", 19 bytes; -1 if it is none.
std::int64_t parse_seconds(std::string_view text) {
  int year, month, day, hour, minute, second;
  if (!digits(text, 0, 4, year) || text[4] != '-' || !digits(text, 5, 2, month) || text[7] != '-' ||
      !digits(text, 8, 2, day) || text[10] != 'T' || !digits(text, 11, 2, hour) ||
      text[13] != ':' || !digits(text, 14, 2, minute) || text[16] != ':' ||
      !digits(text, 17, 2, second)) {
    return -1;
  }
  // Beyond this, nanoseconds leave 64 bits.
  if (year < 1970 || year > 2261 || hour > 23 || minute > 59 || second > 60) return -1;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return -1;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86400 + hour * 3600 + minute * 60 + second;
}

}  // namespace

std::int64_t parse_time(std::string_view text) {
  TimeReader reader;
  return reader.read(text);
}

std::int64_t TimeReader::read(std::string_view text) {
  if (text.size() < 20 || text.size() > 30 || text.back() != 'Z') return -1;
  if (seconds_ < 0 || std::memcmp(text.data(), known_, sizeof known_) != 0) {
    seconds_ = parse_seconds(text);
    if (seconds_ < 0) return -1;
    text.copy(known_, sizeof known_);
  }
  std::int64_t fraction = 0;
  std::size_t at = sizeof known_;
  std::size_t used = 0;
  if (text[at] == '.') {
    for (++at; at + 1 < text.size(); ++at, ++used) {
      const unsigned digit = static_cast<unsigned char>(text[at]) - unsigned{'0'};
      if (digit > 9) return -1;
      fraction = fraction * 10 + digit;
    }
  }
  if (at + 1 != text.size()) return -1;
  for (; used < 9; ++used) fraction *= 10;
  return seconds_ * 1'000'000'000 + fraction;
}

bool FrameDecoder::feed(std::string_view bytes) {
  if (broken_) return false;
  std::string_view input = bytes;
  if (!rest_.empty()) {
    rest_.append(bytes);
    input = rest_;
  }
  while (input.size() >= kHead) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(input[i]); };
    const std::size_t length =
        static_cast<std::size_t>(byte(4)) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
    const int stream = byte(0);
    if (stream > 2 || length > kLongestFrame) {
      broken_ = true;
      return false;
    }
    if (input.size() < kHead + length) break;
    if (!frame(stream, input.substr(kHead, length))) {
      broken_ = true;
      return false;
    }
    input.remove_prefix(kHead + length);
  }
  rest_ = std::string(input);
  return true;
}

bool FrameDecoder::frame(int stream, std::string_view payload) {
  if (payload.empty()) return true;
  const std::size_t space = payload.find(' ');
  if (space == std::string_view::npos) return false;
  LogRecord record;
  record.stream = stream == 2 ? 2 : 1;
  record.time_ns = times_.read(payload.substr(0, space));
  if (record.time_ns < 0) return false;
  record.text = payload.substr(space + 1);
  record.partial = record.text.empty() || record.text.back() != '\n';
  if (!record.partial) record.text.remove_suffix(1);
  sink_(record);
  return true;
}

}  // namespace berth::docker
