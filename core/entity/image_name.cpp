// SPDX-License-Identifier: Apache-2.0
#include "entity/image_name.hpp"

#include <algorithm>

namespace berth::entity {
namespace {

constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kMaxText = 512;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

template <typename Predicate>
bool all_of(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// Lower-case letters and digits, joined by single '.', '_', '__' or any number of '-'.
bool is_path_component(std::string_view text) {
  if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back()))
    return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_or_digit(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !is_lower_or_digit(text[end])) ++end;
    const std::string_view separator = text.substr(i, end - i);
    const bool dashes = all_of(separator, [](char c) { return c == '-'; });
    if (!dashes && separator != "." && separator != "_" && separator != "__") return false;
    i = end;
  }
  return true;
}

// What stands before the first '/' is a registry if it has a dot, a port, or is localhost.
bool looks_like_registry(std::string_view text) {
  return text == "localhost" || text.find_first_of(".:") != std::string_view::npos;
}

bool is_registry(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !all_of(port, is_digit)) return false;
    text = text.substr(0, colon);
  }
  if (text.empty() || !is_alphanumeric(text.front()) || !is_alphanumeric(text.back())) return false;
  return all_of(text, [](char c) { return is_alphanumeric(c) || c == '.' || c == '-'; }) &&
         text.find("..") == std::string_view::npos;
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > kMaxTag) return false;
  if (!is_alphanumeric(text.front()) && text.front() != '_') return false;
  return all_of(text,
                [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view hex = text.substr(colon + 1);
  return all_of(text.substr(0, colon),
                [](char c) {
                  return is_alphanumeric(c) || c == '+' || c == '.' || c == '_' || c == '-';
                }) &&
         hex.size() >= 32 && all_of(hex, is_hex);
}

bool is_repository(std::string_view text) {
  std::string_view rest = text;
  if (const std::size_t slash = rest.find('/');
      slash != std::string_view::npos && looks_like_registry(rest.substr(0, slash))) {
    if (!is_registry(rest.substr(0, slash))) return false;
    rest.remove_prefix(slash + 1);
  }
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (!is_path_component(rest.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<ImageName> ImageName::parse(std::string_view text) {
  const auto refuse = [&] {
    return sdk::invalid_argument(
        "'" + std::string(text.substr(0, kMaxText)) +
        "' is not an image name of the form [registry/][prefix/]name[:tag]");
  };
  if (text.size() > kMaxText) return refuse();
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    if (!is_digest(rest.substr(at + 1))) return refuse();
    rest = rest.substr(0, at);
  }
  ImageName name;
  const std::size_t slash = rest.rfind('/');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    if (!is_tag(rest.substr(colon + 1))) return refuse();
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (!is_repository(rest)) return refuse();
  name.repository = rest;
  return name;
}

std::string ImageName::text() const {
  return tag.empty() ? repository : repository + ":" + tag;
}

bool ImageName::same_image(const ImageName& other) const {
  const auto tag_of = [](const ImageName& name) -> std::string_view {
    return name.tag.empty() ? std::string_view("latest") : std::string_view(name.tag);
  };
  return repository == other.repository && tag_of(*this) == tag_of(other);
}

}  // namespace berth::entity
