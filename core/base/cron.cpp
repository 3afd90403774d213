// SPDX-License-Identifier: Apache-2.0
#include "base/cron.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <vector>

namespace berth {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr int kMaxDays = 8 * 366 + 1;
constexpr std::size_t kMaxText = 256;
// The end of the year 9999: a sum of times up to it overflows nothing.
constexpr std::int64_t kLastMs = 253'402'300'799'999;

struct Field {
  const char* name;
  int min;
  int max;
  std::string_view names;  // three letters each, the first is that of `min`
};
constexpr Field kSecond{"second", 0, 59, ""};
constexpr Field kMinute{"minute", 0, 59, ""};
constexpr Field kHour{"hour", 0, 23, ""};
constexpr Field kDay{"day", 1, 31, ""};
constexpr Field kMonth{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr Field kWeekday{"weekday", 0, 7, "sunmontuewedthufrisat"};

Status wrong(const Field& field, std::string_view text) {
  return sdk::invalid_argument("the " + std::string(field.name) + " field '" + std::string(text) +
                               "' of the cron expression cannot be understood");
}

std::optional<int> number(std::string_view text, const Field& field) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) {
    return value >= field.min && value <= field.max ? std::optional(value) : std::nullopt;
  }
  if (text.size() != 3) return std::nullopt;
  std::string name(text);
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  for (std::size_t at = 0; at < field.names.size(); at += 3) {
    if (field.names.substr(at, 3) == name) return field.min + static_cast<int>(at / 3);
  }
  return std::nullopt;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = std::min(text.find(by), text.size());
    parts.push_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

// "*", "5", "1-5", each with "/step"; "5/10" goes on to the end of the field.
template <std::size_t N>
bool read_part(std::string_view part, const Field& field, std::bitset<N>& set) {
  int step = 1;
  const std::size_t slash = part.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view text = part.substr(slash + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
    if (error != std::errc() || end != text.data() + text.size() || step < 1) return false;
    part = part.substr(0, slash);
  }
  int from = field.min;
  int to = field.max;
  if (part != "*") {
    const std::size_t dash = part.find('-');
    const auto first = number(part.substr(0, dash), field);
    if (!first) return false;
    from = *first;
    if (dash != std::string_view::npos) {
      const auto last = number(part.substr(dash + 1), field);
      if (!last || *last < from) return false;
      to = *last;
    } else if (slash == std::string_view::npos) {
      to = from;
    }
  }
  for (int value = from; value <= to; value += step) set.set(static_cast<std::size_t>(value));
  return true;
}

template <std::size_t N>
Status read_field(std::string_view text, const Field& field, std::bitset<N>& set) {
  for (const std::string_view part : split(text, ',')) {
    if (!read_part(part, field, set)) return wrong(field, text);
  }
  return {};
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  if (text.size() > kMaxText) {
    return sdk::invalid_argument("a cron expression has at most " + std::to_string(kMaxText) +
                                 " characters");
  }
  std::vector<std::string_view> fields;
  for (const std::string_view field : split(text, ' ')) {
    if (!field.empty()) fields.push_back(field);
  }
  const bool has_seconds = fields.size() != 5;
  if (!has_seconds) fields.insert(fields.begin(), "0");
  if (fields.size() != 6) {
    return sdk::invalid_argument("a cron expression has five fields, or six with the seconds");
  }
  Cron cron;
  for (const Status& status :
       {read_field(fields[0], kSecond, cron.seconds_),
        read_field(fields[1], kMinute, cron.minutes_), read_field(fields[2], kHour, cron.hours_),
        read_field(fields[3], kDay, cron.days_), read_field(fields[4], kMonth, cron.months_),
        read_field(fields[5], kWeekday, cron.weekdays_)}) {
    if (!status.ok()) return status;
  }
  if (cron.weekdays_[7]) cron.weekdays_.set(0);
  cron.has_seconds_ = has_seconds;
  cron.any_day_ = fields[3].starts_with('*');
  cron.any_weekday_ = fields[5].starts_with('*');
  return cron;
}

void Cron::set_second(unsigned second) {
  seconds_.reset();
  seconds_.set(second);
}

std::optional<std::int64_t> Cron::next_in_day(std::int64_t from_second) const {
  for (std::int64_t hour = from_second / 3600; hour < 24; ++hour) {
    if (!hours_[static_cast<std::size_t>(hour)]) continue;
    for (std::int64_t minute = 0; minute < 60; ++minute) {
      const std::int64_t begin = hour * 3600 + minute * 60;
      if (!minutes_[static_cast<std::size_t>(minute)] || begin + 59 < from_second) continue;
      for (std::int64_t second = std::max<std::int64_t>(from_second - begin, 0); second < 60;
           ++second) {
        if (seconds_[static_cast<std::size_t>(second)]) return begin + second;
      }
    }
  }
  return std::nullopt;
}

std::optional<std::int64_t> Cron::next(std::int64_t after_ms) const {
  using namespace std::chrono;
  if (after_ms >= kLastMs) return std::nullopt;
  after_ms = std::max<std::int64_t>(after_ms, -1);
  const auto first = floor<seconds>(milliseconds(after_ms)) + seconds(1);
  sys_days day = floor<days>(sys_seconds(first));
  std::int64_t from = (sys_seconds(first) - day).count();
  for (int tries = 0; tries < kMaxDays; ++tries, day += days(1), from = 0) {
    const year_month_day date(day);
    if (!months_[static_cast<unsigned>(date.month())]) continue;
    const bool day_fits = days_[static_cast<unsigned>(date.day())];
    const bool weekday_fits = weekdays_[weekday(day).c_encoding()];
    const bool fits =
        any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
    if (!fits) continue;
    if (const auto second = next_in_day(from)) {
      return (day.time_since_epoch().count() * kDaySeconds + *second) * 1000;
    }
  }
  return std::nullopt;
}

}  // namespace berth
