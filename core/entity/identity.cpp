// SPDX-License-Identifier: Apache-2.0
#include "entity/identity.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace berth::entity {
namespace {

constexpr std::size_t kMaxName = 256;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_inner(char c) {
  return is_word(c) || c == '@' || c == ' ' || c == '.' || c == '&' || c == '-';
}

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 7> kRights = {{{"read", 1},
                                                                               {"put", 2},
                                                                               {"delete", 4},
                                                                               {"activate", 8},
                                                                               {"write", 6},
                                                                               {"invoke", 8},
                                                                               {"all", 15}}};

}  // namespace

std::string to_string(Rights rights) {
  std::string text;
  for (const auto& [word, bits] : std::span(kRights).first(4)) {
    if ((rights.bits & bits) == 0) continue;
    if (!text.empty()) text += ',';
    text += word;
  }
  return text;
}

std::optional<Rights> parse_rights(std::string_view text) {
  Rights rights{0};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, end);
    const auto known = std::find_if(kRights.begin(), kRights.end(),
                                    [word](const auto& right) { return right.first == word; });
    if (known == kRights.end()) return std::nullopt;
    rights.bits |= known->second;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rights;
}

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
