// SPDX-License-Identifier: Apache-2.0
// Reads TOML by toml++ into flat entries that know their line. Thread-safe.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace berth::config {

// A table or a leaf (arrays are leaves), parents before their children.
struct TomlEntry {
  std::vector<std::string> path;
  bool is_table = false;
  boost::json::value value;  // of a leaf
  std::size_t line = 0;
};

// INVALID_ARGUMENT for broken TOML, as "FILE:LINE:COLUMN: what is wrong".
Result<std::vector<TomlEntry>> read_toml_file(const std::string& path);
Result<std::vector<TomlEntry>> read_toml(std::string_view text, const std::string& name);

// The text as a TOML value ("10" -> 10, "[1]" -> an array, "\"a\"" -> a), else itself as a string.
boost::json::value toml_value_or_string(std::string_view text);

}  // namespace berth::config
