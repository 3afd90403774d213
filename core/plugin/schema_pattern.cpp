// SPDX-License-Identifier: Apache-2.0
// <regex> is slow to compile, so it has a file of its own.
#include "plugin/schema_pattern.hpp"

#include <regex>

namespace berth::plugin {

std::string pattern_problem(std::string_view pattern) {
  // Compiling recurses with the pattern.
  constexpr std::size_t kMaxPattern = 512;
  if (pattern.size() > kMaxPattern) return "is a pattern of more than 512 bytes";
  try {
    const std::regex compiled(pattern.data(), pattern.size(), std::regex_constants::ECMAScript);
    return {};
  } catch (const std::regex_error& error) {
    return std::string("is not a regular expression: ") + error.what();
  }
}

}  // namespace berth::plugin
