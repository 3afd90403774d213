// SPDX-License-Identifier: Apache-2.0
#include "parameters.hpp"

#include <boost/json/parse.hpp>
#include <iostream>
#include <iterator>

#include "base/files.hpp"
#include "base/json.hpp"
#include "exit_code.hpp"

namespace berth::cli {
namespace {

// Larger than any code or parameters that berthd takes.
constexpr std::size_t kMaxFile = 256 * 1024 * 1024;

}  // namespace

boost::json::value parse_value(const std::string& text) {
  auto value = parse_json(text);
  if (value) return std::move(*value);
  return boost::json::value(text);
}

std::string read_input(const std::string& file) {
  if (file == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  Result<std::string> text = read_file(file, kMaxFile);
  if (!text) throw Exit(ExitCode::kUsage, text.error().message());
  return std::move(*text);
}

boost::json::object parse_parameters(const std::string& file, const Pairs& pairs) {
  boost::json::object parameters;
  if (!file.empty()) {
    auto value = parse_json(read_input(file));
    if (!value) throw Exit(ExitCode::kUsage, file + ": " + value.error().message());
    if (!value->is_object()) {
      throw Exit(ExitCode::kUsage,
                 file + ": a JSON object is expected, as in {\"name\": \"value\"}");
    }
    parameters = std::move(value->get_object());
  }
  for (const auto& [key, text] : pairs) {
    if (key.empty()) throw Exit(ExitCode::kUsage, "a parameter has an empty name");
    parameters[key] = parse_value(text);
  }
  return parameters;
}

boost::json::array to_list(const boost::json::object& parameters, bool init) {
  boost::json::array list;
  for (const auto& [key, value] : parameters) {
    boost::json::object entry{{"key", key}, {"value", value}};
    if (init) entry.emplace("init", true);
    list.emplace_back(std::move(entry));
  }
  return list;
}

}  // namespace berth::cli
