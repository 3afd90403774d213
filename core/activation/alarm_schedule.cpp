// SPDX-License-Identifier: Apache-2.0
#include "activation/alarm_schedule.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>

#include "activation/zoned_cron.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kMaxMinutes = 60 * 24 * 366;
// The end of the year 9999. Between 0 and it no sum of dates and periods overflows.
constexpr std::int64_t kLastMs = 253'402'300'799'999;

// Takes exactly `digits` digits off the text.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// What follows the time of day: minutes east of UTC.
std::optional<int> zone(std::string_view text) {
  if (text.empty() || text == "Z" || text == "z") return 0;
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2);
  take(text, ':');
  const auto minutes = take_number(text, 2);
  if (!hours || !minutes || !text.empty()) return std::nullopt;
  const int offset = *hours * 60 + *minutes;
  return west ? -offset : offset;
}

std::optional<std::int64_t> parse_text(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  std::int64_t ms = 0;
  using namespace std::chrono;
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const year_month_day date{std::chrono::year(*year),
                            std::chrono::month(static_cast<unsigned>(*month)),
                            std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  std::int64_t of_day = 0;
  int offset = 0;
  if (take(text, 'T') || take(text, ' ')) {
    const auto hour = take_number(text, 2);
    if (!hour || !take(text, ':')) return std::nullopt;
    const auto minute = take_number(text, 2);
    if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
    int second = 0;
    if (take(text, ':')) {
      const auto given = take_number(text, 2);
      if (!given || *given > 59) return std::nullopt;
      second = *given;
    }
    if (take(text, '.')) {
      int weight = 100;
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        ms += weight * (text.front() - '0');
        weight /= 10;
        text.remove_prefix(1);
      }
    }
    of_day = (*hour * 60 + *minute) * kMinuteMs + second * 1000 + ms;
    const auto east = zone(text);
    if (!east) return std::nullopt;
    offset = *east;
  } else if (!text.empty()) {
    return std::nullopt;
  }
  return sys_days(date).time_since_epoch().count() * 86'400'000LL + of_day - offset * kMinuteMs;
}

// A date that may be given.
Result<std::optional<std::int64_t>> date_member(const json::object& config, std::string_view key) {
  const json::value* value = config.if_contains(key);
  if (value == nullptr || value->is_null()) return std::optional<std::int64_t>();
  const auto date = parse_date(*value);
  if (!date) {
    return sdk::invalid_argument(std::string(key) +
                                 " must be a date, as 2026-01-31T23:59:00.000Z, or milliseconds");
  }
  return date;
}

// A bool, or the text of one as forms and command lines have it.
Result<bool> bool_member(const json::object& config, std::string_view key, bool otherwise) {
  const json::value* value = config.if_contains(key);
  if (value == nullptr || value->is_null()) return otherwise;
  if (value->is_bool()) return value->get_bool();
  if (*value == "true") return true;
  if (*value == "false") return false;
  return sdk::invalid_argument(std::string(key) + " must be true or false");
}

// The same in every berthd and every version (FNV-1a).
unsigned second_of(std::string_view trigger) {
  std::uint32_t hash = 2'166'136'261;
  for (const char c : trigger) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619;
  return hash % 60;
}

Result<Cron> parse_cron(const json::object& config, std::string_view trigger) {
  const json::value* text = config.if_contains("cron");
  if (text == nullptr || !text->is_string()) {
    return sdk::invalid_argument("cron is missing: a cron expression, as \"*/5 * * * *\"");
  }
  auto cron = Cron::parse(std::string_view(text->get_string()));
  if (!cron) return cron.error();
  const auto strict = bool_member(config, "strict", true);
  if (!strict) return strict.error();
  // So that not all that rings each minute does it at once.
  if (!*strict && !cron->has_seconds()) cron->set_second(second_of(trigger));
  return *cron;
}

Result<std::optional<TimeZone>> parse_zone(const json::object& config) {
  const json::value* name = config.if_contains("timezone");
  if (name == nullptr || name->is_null()) return std::optional<TimeZone>();
  if (!name->is_string()) {
    return sdk::invalid_argument("timezone must be the name of a time zone, as Europe/Berlin");
  }
  auto zone = TimeZone::find(std::string(name->get_string()));
  if (!zone) return zone.error();
  return std::optional<TimeZone>(*zone);
}

}  // namespace

Result<AfterFire> parse_after_fire(const json::object& config) {
  const json::value* value = config.if_contains("deleteAfterFire");
  if (value != nullptr && *value == "rules") return AfterFire::kDeleteRulesToo;
  const auto wanted = bool_member(config, "deleteAfterFire", false);
  if (!wanted) return sdk::invalid_argument("deleteAfterFire must be true, false or rules");
  return *wanted ? AfterFire::kDeleteTrigger : AfterFire::kKeep;
}

std::string_view to_string(AlarmKind kind) {
  switch (kind) {
    case AlarmKind::kCron: return "alarm";
    case AlarmKind::kInterval: return "interval";
    case AlarmKind::kOnce: return "once";
  }
  return "alarm";
}

std::optional<AlarmKind> parse_alarm_kind(std::string_view text) {
  for (const AlarmKind kind : {AlarmKind::kCron, AlarmKind::kInterval, AlarmKind::kOnce}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_date(const json::value& value) {
  std::optional<std::int64_t> date;
  if (const auto* number = value.if_int64()) date = *number;
  if (const auto* text = value.if_string()) date = parse_text({text->data(), text->size()});
  return date && *date >= 0 && *date <= kLastMs ? date : std::nullopt;
}

Result<AlarmSchedule> AlarmSchedule::parse(AlarmKind kind, const json::object& config,
                                           std::int64_t created_ms, std::string_view trigger) {
  AlarmSchedule schedule;
  schedule.kind_ = kind;
  schedule.created_ms_ = std::clamp<std::int64_t>(created_ms, 0, kLastMs);
  auto start = date_member(config, "startDate");
  if (!start) return start.error();
  auto stop = date_member(config, "stopDate");
  if (!stop) return stop.error();
  schedule.start_ms_ = *start;
  schedule.stop_ms_ = *stop;
  if (schedule.start_ms_ && schedule.stop_ms_ && *schedule.stop_ms_ <= *schedule.start_ms_) {
    return sdk::invalid_argument("stopDate must be later than startDate");
  }
  switch (kind) {
    case AlarmKind::kCron: {
      auto cron = parse_cron(config, trigger);
      if (!cron) return cron.error();
      auto zone = parse_zone(config);
      if (!zone) return zone.error();
      schedule.cron_ = *cron;
      schedule.zone_ = *zone;
      break;
    }
    case AlarmKind::kInterval: {
      const json::value* value = config.if_contains("minutes");
      std::int64_t minutes = 0;
      if (value != nullptr && value->is_int64()) minutes = value->get_int64();
      if (value != nullptr && value->is_string()) {
        const std::string_view text = value->get_string();
        std::from_chars(text.data(), text.data() + text.size(), minutes);
      }
      if (minutes < 1 || minutes > kMaxMinutes) {
        return sdk::invalid_argument("minutes must be a number of at least 1");
      }
      schedule.period_ms_ = minutes * kMinuteMs;
      break;
    }
    case AlarmKind::kOnce: {
      const auto date = date_member(config, "date");
      if (!date) return date.error();
      if (const auto after = parse_after_fire(config); !after) return after.error();
      if (!*date) return sdk::invalid_argument("date is missing: when it is to ring");
      schedule.date_ms_ = **date;
      break;
    }
  }
  return schedule;
}

std::optional<std::int64_t> AlarmSchedule::next(std::int64_t after_ms) const {
  std::optional<std::int64_t> ring;
  after_ms = std::clamp<std::int64_t>(after_ms, -1, kLastMs);
  switch (kind_) {
    case AlarmKind::kCron:
      if (start_ms_) after_ms = std::max(after_ms, *start_ms_ - 1);
      ring = zone_ ? next_in_zone(*cron_, *zone_, after_ms) : cron_->next(after_ms);
      break;
    case AlarmKind::kInterval: {
      // With a startDate the first one is then, else a period after it was made.
      const std::int64_t first = start_ms_.value_or(created_ms_ + period_ms_);
      ring = after_ms < first ? first : first + ((after_ms - first) / period_ms_ + 1) * period_ms_;
      break;
    }
    case AlarmKind::kOnce:
      if (date_ms_ > after_ms) ring = date_ms_;
      break;
  }
  if (ring && stop_ms_ && *ring > *stop_ms_) return std::nullopt;
  return ring;
}

}  // namespace berth::activation
