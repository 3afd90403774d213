// SPDX-License-Identifier: Apache-2.0
#include "json_line.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>

namespace berth::file {
namespace {

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

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  std::size_t run = 0;  // where what is not copied yet begins
  const auto replace = [&](std::size_t at, std::string_view by) {
    out.append(text, run, at - run);
    out.append(by);
    run = at + 1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
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

// Whose lines they are: the same end on every line.
std::string make_suffix(const sdk::ActivationRefView& activation) {
  std::string suffix;
  const auto member = [&](std::string_view key, std::string_view value) {
    suffix.append(key);
    append_string(suffix, value);
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
  using namespace std::chrono;
  const sys_time<nanoseconds> time{nanoseconds(time_ns)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  auto rest = static_cast<std::uint64_t>((time - day).count());
  std::string out;
  out.reserve(30);
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
    out.append(R"({"time":")").append(format_time(line.time_ns));
    out.append(line.stream == sdk::Stream::kStderr ? R"(","stream":"stderr","sequence":)"
                                                   : R"(","stream":"stdout","sequence":)");
    append_number(out, line.sequence);
    out.append(R"(,"log":)");
    append_string(out, line.text);
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
