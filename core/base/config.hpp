// SPDX-License-Identifier: Apache-2.0
// The operator's configuration: a TOML file with environment, --set and options laid over it.
//
// Precedence: option > --set KEY=VALUE > environment > file > default. Every value remembers where
// it came from, so that each error names the file and line (or the variable, or the option) and the
// mend. Keys are dotted ("http.listen"). Keys that nobody declared are errors, except those below
// "plugin.NAME", which are checked against that plugin's schema. Not thread-safe; read once at
// start.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace berth::config {

enum class Type {
  kString,
  kInteger,
  kBoolean,
  kDuration,    // "250ms", "10s", "5m", "2h", "7d"
  kSize,        // "512KB", "256MB", "2GB"; powers of 1024
  kStringList,  // an array of strings, or one string
};

// One key that berthd knows.
struct Key {
  std::string_view name;
  Type type;
  std::string_view default_text;  // as one would write it in TOML; empty: none
  std::string_view help;          // one line, for the reference
  std::int64_t min = INT64_MIN;   // of integers, sizes (bytes) and durations (ms)
  std::int64_t max = INT64_MAX;
  std::vector<std::string_view> choices = {};  // of strings, if not empty
};

struct Sources {
  std::optional<std::string> file;                               // --config
  std::vector<std::pair<std::string, std::string>> environment;  // all variables
  std::vector<std::string> sets;                                 // each "key=value" of --set
  std::vector<std::pair<std::string, std::string>> options;  // key -> value as text, e.g. --listen
};

class Document {
 public:
  // Reads and lays over each other what `sources` names, checked against `keys`. All errors are in
  // one message, a line each.
  static Result<Document> load(const std::vector<Key>& keys, const Sources& sources);

  // Values of declared keys, checked by load(). Asking for an undeclared key or of another type is
  // a bug (std::logic_error). An optional key without a default that is not set is empty / 0.
  std::string text(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::chrono::milliseconds duration(std::string_view key) const;
  std::uint64_t bytes(std::string_view key) const;
  std::vector<std::string> list(std::string_view key) const;
  bool is_set(std::string_view key) const;  // by anything but the default

  // The [plugin.NAME] table; empty if there is none.
  boost::json::object plugin(std::string_view name) const;
  // The names for which there is such a table.
  std::vector<std::string> plugins() const;
  // Where a value came from: "berth.toml:12", "environment BERTH_HTTP__LISTEN", "--set
  // http.listen",
  // "--listen", "default".
  std::string origin(std::string_view key) const;
  // The same for a JSON pointer within [plugin.NAME], or its nearest parent that has an origin.
  std::string plugin_origin(std::string_view name, std::string_view json_pointer) const;

  // Every value with its origin, a line each, "key = value  # origin"; `secrets` (dotted keys)
  // masked.
  std::string describe(const std::vector<std::string>& secrets) const;

 private:
  struct Value {
    boost::json::value json;
    std::string origin;
  };
  const Value& declared(std::string_view key, Type type) const;

  std::vector<Key> keys_;
  std::map<std::string, Value, std::less<>> values_;  // of declared keys
  std::map<std::string, boost::json::object, std::less<>> plugins_;
  std::map<std::string, std::string, std::less<>> plugin_origins_;  // "NAME/json/pointer"
};

// A key as a part of a JSON pointer (RFC 6901): "~" and "/" escaped.
std::string pointer_part(std::string_view key);

// "10s" -> 10'000 ms; nullopt if it is no duration. Likewise sizes.
std::optional<std::int64_t> parse_duration_ms(std::string_view text);
std::optional<std::int64_t> parse_size(std::string_view text);

// The reference of all keys as a commented TOML file.
std::string reference(const std::vector<Key>& keys);

}  // namespace berth::config
