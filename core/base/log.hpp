// SPDX-License-Identifier: Apache-2.0
// berthd's own log: one logfmt or JSON line each on stderr, with time, level, component and fields.
// Thread-safe. Never put a secret into a message or a field.
//
//   log::info("pool", "container started", {{"container", id}, {"ms", fmt::to_string(ms)}});
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace berth::log {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class Format { kLogfmt, kJson };

using Field = std::pair<std::string_view, std::string_view>;

// What is written from now on. Defaults: info, logfmt.
void configure(Level minimum, Format format);
// True if lines of this level are written: check before costly formatting.
bool enabled(Level level);

void write(Level level, std::string_view component, std::string_view message,
           std::span<const Field> fields);

inline void debug(std::string_view component, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
  if (enabled(Level::kDebug))
    write(Level::kDebug, component, message, {fields.begin(), fields.size()});
}
inline void info(std::string_view component, std::string_view message,
                 std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, component, message, {fields.begin(), fields.size()});
}
inline void warn(std::string_view component, std::string_view message,
                 std::initializer_list<Field> fields = {}) {
  write(Level::kWarn, component, message, {fields.begin(), fields.size()});
}
inline void error(std::string_view component, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
  write(Level::kError, component, message, {fields.begin(), fields.size()});
}

// The line as it is written, without its end; for tests and for the formatter itself.
std::string format_line(Format format, std::string_view time, Level level,
                        std::string_view component, std::string_view message,
                        std::span<const Field> fields);

}  // namespace berth::log
