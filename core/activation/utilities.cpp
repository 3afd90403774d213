// SPDX-License-Identifier: Apache-2.0
#include "activation/utilities.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <string>
#include <vector>

namespace berth::activation {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

// The member `lines` as texts; an empty list if there is none.
std::vector<std::string> lines_of(const json::object& arguments) {
  std::vector<std::string> lines;
  const json::value* value = arguments.if_contains("lines");
  if (value == nullptr || !value->is_array()) return lines;
  for (const json::value& line : value->get_array()) lines.push_back(text_of(line));
  return lines;
}

json::array to_array(const std::vector<std::string>& lines) {
  json::array array;
  array.reserve(lines.size());
  for (const std::string& line : lines) array.emplace_back(line);
  return array;
}

void echo(const Invocation&, const json::object& arguments, const BuiltinDone& done) {
  done(builtin_result(arguments));
}

void sort(const Invocation&, const json::object& arguments, const BuiltinDone& done) {
  std::vector<std::string> lines = lines_of(arguments);
  std::sort(lines.begin(), lines.end());
  const auto length = static_cast<std::int64_t>(lines.size());
  done(builtin_result({{"lines", to_array(lines)}, {"length", length}}));
}

// At `separator`, else at the ends of lines.
void split(const Invocation&, const json::object& arguments, const BuiltinDone& done) {
  const json::value* payload = arguments.if_contains("payload");
  if (payload == nullptr || payload->is_null()) {
    return done(application_error("payload is missing"));
  }
  std::string separator = "\n";
  bool of_lines = true;
  if (const json::value* given = arguments.if_contains("separator");
      given != nullptr && !given->is_null()) {
    separator = text_of(*given);
    of_lines = false;
  }
  const std::string text = text_of(*payload);
  std::vector<std::string> lines;
  if (separator.empty()) {
    lines.push_back(text);
  } else {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(separator, begin), text.size());
      std::string line = text.substr(begin, end - begin);
      if (of_lines && end < text.size() && line.ends_with('\r')) line.pop_back();
      lines.push_back(std::move(line));
      begin = end == text.size() ? end + 1 : end + separator.size();
    }
  }
  done(builtin_result({{"lines", to_array(lines)}, {"payload", *payload}}));
}

void cat(const Invocation&, const json::object& arguments, const BuiltinDone& done) {
  const std::vector<std::string> lines = lines_of(arguments);
  done(builtin_result(
      {{"lines", to_array(lines)}, {"payload", fmt::format("{}", fmt::join(lines, "\n"))}}));
}

}  // namespace

std::vector<Utility> utilities(const Clock& clock) {
  const auto date = [&clock](const Invocation&, const json::object&, const BuiltinDone& done) {
    const std::int64_t ms = clock.wall_ms();
    const std::chrono::sys_seconds second{std::chrono::seconds(ms / 1000)};
    done(builtin_result(
        {{"date",
          fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                      fmt::gmtime(std::chrono::system_clock::to_time_t(second)), ms % 1000)}}));
  };
  return {{"echo", "Returns its arguments", echo},
          {"date", "The present date and time, as {date}", date},
          {"sort", "Sorts {lines} and counts them", sort},
          {"split", "Splits the text {payload} into {lines}, at {separator}", split},
          {"cat", "Joins {lines} to the text {payload}", cat}};
}

}  // namespace berth::activation
