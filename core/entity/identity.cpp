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

}  // namespace berth::entity
