// SPDX-License-Identifier: Apache-2.0
#include "base/toml.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <sstream>
#include <toml++/toml.h>

#include "base/files.hpp"

namespace berth::config {
namespace {

boost::json::value convert(const toml::node& node) {
  if (const auto* text = node.as_string()) return boost::json::value(text->get());
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* array = node.as_array()) {
    boost::json::array elements;
    for (const toml::node& element : *array) elements.push_back(convert(element));
    return elements;
  }
  if (const auto* table = node.as_table()) {
    boost::json::object members;
    for (const auto& [key, value] : *table) members[std::string(key.str())] = convert(value);
    return members;
  }
  std::ostringstream text;  // dates and times
  node.visit([&](const auto& value) {
    if constexpr (toml::is_chronological<decltype(value)>) text << value.get();
  });
  return boost::json::value(text.str());
}

void flatten(const toml::table& table, std::vector<std::string>& path,
             std::vector<TomlEntry>& entries) {
  for (const auto& [key, node] : table) {
    path.emplace_back(key.str());
    const auto line = static_cast<std::size_t>(key.source().begin.line);
    if (const auto* nested = node.as_table()) {
      entries.push_back({path, true, nullptr, line});
      flatten(*nested, path, entries);
    } else {
      entries.push_back({path, false, convert(node), line});
    }
    path.pop_back();
  }
}

}  // namespace

Result<std::vector<TomlEntry>> read_toml_file(const std::string& path) {
  auto text = read_file(path, 4 * 1024 * 1024);
  if (!text) return text.error();
  return read_toml(*text, path);
}

Result<std::vector<TomlEntry>> read_toml(std::string_view text, const std::string& name) {
  try {
    std::vector<TomlEntry> entries;
    std::vector<std::string> path;
    flatten(toml::parse(text, name), path, entries);
    return entries;
  } catch (const toml::parse_error& error) {
    return sdk::invalid_argument(fmt::format("{}:{}:{}: {}", name, error.source().begin.line,
                                             error.source().begin.column, error.description()));
  }
}

boost::json::value toml_value_or_string(std::string_view text) {
  try {
    const toml::table parsed = toml::parse(fmt::format("value = {}", text));
    // More than one key means that the text had a line break with another assignment in it.
    if (parsed.size() == 1) return convert(*parsed.get("value"));
  } catch (const toml::parse_error&) {
    // Not TOML: a plain word, an address, a path.
  }
  return boost::json::value(text);
}

}  // namespace berth::config
