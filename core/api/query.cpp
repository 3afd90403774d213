// SPDX-License-Identifier: Apache-2.0
#include "api/query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>

#include "http/message.hpp"

namespace berth::api {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x + 32) : x) == y;
  });
}

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Failure malformed(std::string_view name, std::string_view reason) {
  return {400, fmt::format("The query parameter '{}' was malformed:\n{}", name, reason)};
}

}  // namespace

Checked<Query> Query::parse(std::string_view text) {
  Query query;
  if (text.empty()) return query;
  auto pairs = http::parse_query(text);
  if (!pairs) return Failure{400, "The query string was malformed:\na broken %-escape"};
  query.pairs_ = std::move(*pairs);
  return query;
}

std::optional<std::string_view> Query::get(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name) return std::string_view(value);
  }
  return std::nullopt;
}

Checked<bool> Query::boolean(std::string_view name, bool standard) const {
  constexpr std::array<std::string_view, 4> kTrue = {"true", "yes", "on", "1"};
  constexpr std::array<std::string_view, 4> kFalse = {"false", "no", "off", "0"};
  const auto text = get(name);
  if (!text || text->empty()) return standard;
  for (const std::string_view word : kTrue) {
    if (same_word(*text, word)) return true;
  }
  for (const std::string_view word : kFalse) {
    if (same_word(*text, word)) return false;
  }
  return malformed(name, fmt::format("'{}' is not a valid Boolean value", *text));
}

Checked<std::optional<std::int64_t>> Query::time(std::string_view name) const {
  const auto text = get(name);
  if (!text || text->empty()) return std::optional<std::int64_t>();
  const std::optional<std::int64_t> value = integer(*text);
  if (!value || *value < 0) {
    return malformed(name,
                     fmt::format("'{}' is not a number of milliseconds since the epoch", *text));
  }
  return value;
}

Checked<std::int64_t> Query::list_number(std::string_view name, std::int64_t min, std::int64_t max,
                                         std::int64_t standard, std::string_view collection) const {
  const auto text = get(name);
  if (!text) return standard;
  const std::optional<std::int64_t> value = integer(*text);
  if (!value) {
    return Failure{400, fmt::format("The value '{}' is not an integer for {}.", *text, collection)};
  }
  if (*value < min || *value > max) {
    return Failure{400, fmt::format("The value '{}' is not in the range of {} to {} for {}.",
                                    *value, min, max, collection)};
  }
  return *value;
}

}  // namespace berth::api
