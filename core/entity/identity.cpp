// SPDX-License-Identifier: Apache-2.0
#include "entity/identity.hpp"

#include <algorithm>

namespace berth::entity {
namespace {

constexpr std::size_t kMaxName = 256;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_inner(char c) {
  return is_word(c) || c == '@' || c == ' ' || c == '.' || c == '&' || c == '-';
}

}  // namespace

bool is_entity_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  return is_word(name.front()) && name.back() != ' ' &&
         std::all_of(name.begin(), name.end(), is_inner);
}

int names_in_path(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  int names = 0;
  while (true) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (!is_entity_name(path.substr(0, end)) || ++names > 3) return 0;
    if (end == path.size()) return names;
    path.remove_prefix(end + 1);
  }
}

}  // namespace berth::entity
