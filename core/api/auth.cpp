// SPDX-License-Identifier: Apache-2.0
#include "api/auth.hpp"

#include <string>

#include "base/base64.hpp"
#include "base/ids.hpp"

namespace berth::api {
namespace {

// A key is 101 characters in practice; longer credentials cannot be one of ours.
constexpr std::size_t kMaxEncoded = 1024;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

std::optional<entity::AuthKey> parse_key(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  entity::AuthKey key{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  for (char& c : key.uuid) c = lower(c);
  if (!is_uuid(key.uuid)) return std::nullopt;
  return key;
}

std::optional<entity::AuthKey> parse_basic(std::string_view header) {
  constexpr std::string_view kScheme = "basic ";
  if (header.size() < kScheme.size() || header.size() > kMaxEncoded) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (lower(header[i]) != kScheme[i]) return std::nullopt;
  }
  header.remove_prefix(kScheme.size());
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  const Result<std::string> decoded = base64_decode(header);
  if (!decoded) return std::nullopt;
  return parse_key(*decoded);
}

}  // namespace berth::api
