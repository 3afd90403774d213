// SPDX-License-Identifier: Apache-2.0
#include "json_line.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>

#include "support/json_text.hpp"

namespace berth::file {
namespace {

// Whose lines they are: the same end on every line.
std::string make_suffix(const sdk::ActivationRefView& activation) {
  std::string suffix;
  const auto member = [&](std::string_view key, std::string_view value) {
    suffix.append(key);
    support::append_json_string(suffix, value);
  };
  member(R"(,"activationId":)", activation.activation_id);
  member(R"(,"action":)", activation.action);
  member(R"(,"namespace":)", activation.namespace_name);
  member(R"(,"namespaceId":)", activation.namespace_id);
  suffix.append("}\n");
  return suffix;
}

bool read_digits(std::string_view text, std::size_t at, std::size_t count, std::int64_t& number) {
  const char* const begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + count, number);
  return error == std::errc() && end == begin + count && *begin != '-';
}

std::string_view string_member(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string_view(text->data(), text->size()) : std::string_view();
}

}  // namespace

std::optional<ActivationId> parse_id(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  ActivationId id{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    id[i / 2] = static_cast<unsigned char>(id[i / 2] * 16 + digit);
  }
  return id;
}

std::string format_time(std::int64_t time_ns) {
  std::string out;
  out.reserve(30);
  support::append_time(out, time_ns);
  return out;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000000000Z";
  if (text.size() != kShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (kShape[i] != '0' && kShape[i] != text[i]) return std::nullopt;
  }
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t day = 0;
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t ns = 0;
  if (!read_digits(text, 0, 4, year) || !read_digits(text, 5, 2, month) ||
      !read_digits(text, 8, 2, day) || !read_digits(text, 11, 2, hour) ||
      !read_digits(text, 14, 2, minute) || !read_digits(text, 17, 2, second) ||
      !read_digits(text, 20, 9, ns)) {
    return std::nullopt;
  }
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(static_cast<int>(year)),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  // Years that nanoseconds in 64 bits can hold.
  if (!date.ok() || year < 1678 || year > 2261 || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  return nanoseconds(sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) +
                     seconds(second) + nanoseconds(ns))
      .count();
}

std::string format_lines(const sdk::ActivationRefView& activation, sdk::LogLinesView lines,
                         bool final, std::int64_t now_ns) {
  const std::string suffix = make_suffix(activation);
  std::string out;
  std::size_t size = 256;
  for (std::size_t i = 0; i < lines.size(); ++i) size += lines[i].text.size() + suffix.size() + 100;
  out.reserve(size);
  if (lines.empty() && final) {
    out.append(R"({"time":")")
        .append(format_time(now_ns))
        .append(R"(","final":true)")
        .append(suffix);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const sdk::LogLineView line = lines[i];
    out.append(R"({"time":")");
    support::append_time(out, line.time_ns);
    out.append(line.stream == sdk::Stream::kStderr ? R"(","stream":"stderr","sequence":)"
                                                   : R"(","stream":"stdout","sequence":)");
    support::append_number(out, line.sequence);
    out.append(R"(,"log":)");
    support::append_json_string(out, line.text);
    if (final && i + 1 == lines.size()) out.append(R"(,"final":true)");
    out.append(suffix);
  }
  return out;
}

std::optional<ScannedLine> scan_line(std::string_view line) {
  // No quote stands unescaped within a string, so that these are found in no other place.
  constexpr std::string_view kTime = R"({"time":")";
  constexpr std::string_view kStream = R"(","stream":"std???","sequence":)";
  constexpr std::string_view kFinal = R"(,"final":true)";
  constexpr std::string_view kId = R"(,"activationId":")";
  constexpr std::size_t kTimeSize = 30;
  constexpr std::size_t kIdSize = 32;
  const std::size_t at = line.rfind(kId);
  if (!line.starts_with(kTime) || !line.ends_with("\"}") || at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view after = line.substr(at + kId.size());
  const auto id = parse_id(after.substr(0, kIdSize));
  if (!id || after.size() <= kIdSize || after[kIdSize] != '"') return std::nullopt;
  ScannedLine scanned;
  scanned.id = *id;
  const std::string_view before = line.substr(0, at);
  scanned.final = before.ends_with(kFinal);
  const std::size_t sequence = kTime.size() + kTimeSize + kStream.size();
  scanned.first = before.substr(0, sequence).ends_with(R"("sequence":)") &&
                  before.substr(sequence).starts_with("0,");
  return scanned;
}

std::optional<ParsedLine> parse_line(std::string_view line) {
  unsigned char scratch[4096];
  boost::json::monotonic_resource memory(scratch, sizeof scratch);
  boost::system::error_code error;
  const boost::json::value json = boost::json::parse(line, error, &memory);
  const auto* object = error ? nullptr : json.if_object();
  if (object == nullptr) return std::nullopt;
  ParsedLine parsed;
  const auto id = parse_id(string_member(*object, "activationId"));
  const auto time = parse_time(string_member(*object, "time"));
  if (!id || !time) return std::nullopt;
  parsed.id = *id;
  parsed.time_ns = *time;
  parsed.namespace_name = string_member(*object, "namespace");
  if (const auto* final = object->if_contains("final"))
    parsed.final = final->is_bool() && final->get_bool();
  const auto* text = object->if_contains("log");
  if (text == nullptr) return parsed.final ? std::optional(std::move(parsed)) : std::nullopt;
  const auto* sequence = object->if_contains("sequence");
  const std::string_view stream = string_member(*object, "stream");
  if (!text->is_string() || sequence == nullptr || (stream != "stdout" && stream != "stderr")) {
    return std::nullopt;
  }
  if (sequence->is_int64() && sequence->get_int64() >= 0) {
    parsed.sequence = static_cast<std::uint64_t>(sequence->get_int64());
  } else if (sequence->is_uint64()) {
    parsed.sequence = sequence->get_uint64();
  } else {
    return std::nullopt;
  }
  parsed.stream = stream == "stderr" ? sdk::Stream::kStderr : sdk::Stream::kStdout;
  parsed.text = string_member(*object, "log");
  parsed.has_text = true;
  return parsed;
}

}  // namespace berth::file
