// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <atomic>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace berth::log {
namespace {

std::atomic<Level> minimum_level{Level::kInfo};
std::atomic<Format> line_format{Format::kLogfmt};

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarn: return "warn";
    case Level::kError: return "error";
  }
  return "info";
}

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

// logfmt quotes a value only where a reader could not tell its end.
void append_logfmt(std::string& line, std::string_view key, std::string_view value) {
  if (!line.empty()) line.push_back(' ');
  line.append(key).push_back('=');
  bool plain = !value.empty();
  for (const char c : value) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) {
      plain = false;
    }
  }
  line.append(plain ? std::string(value) : quoted(value));
}

void append_json(std::string& line, std::string_view key, std::string_view value) {
  line.append(line.empty() ? "{" : ",").append(quoted(key)).append(":").append(quoted(value));
}

spdlog::logger& stderr_logger() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("berthd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string timestamp() {
  const auto now =
      std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     now.time_since_epoch().count() % 1000);
}

}  // namespace

void configure(Level minimum, Format format) {
  minimum_level = minimum;
  line_format = format;
}

bool enabled(Level level) {
  return level >= minimum_level.load(std::memory_order_relaxed);
}

std::string format_line(Format format, std::string_view time, Level level,
                        std::string_view component, std::string_view message,
                        std::span<const Field> fields) {
  std::string line;
  const auto append = format == Format::kJson ? append_json : append_logfmt;
  append(line, "time", time);
  append(line, "level", name(level));
  append(line, "component", component);
  append(line, "msg", message);
  for (const auto& [key, value] : fields) append(line, key, value);
  if (format == Format::kJson) line.push_back('}');
  return line;
}

void write(Level level, std::string_view component, std::string_view message,
           std::span<const Field> fields) {
  if (!enabled(level)) return;
  const std::string line = format_line(line_format.load(std::memory_order_relaxed), timestamp(),
                                       level, component, message, fields);
  stderr_logger().log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace berth::log
