// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>

namespace berth::log_driver {
namespace {

constexpr std::array<std::string_view, 8> kNames = {
    "activation", "namespace", "namespace_id", "action", "start", "end", "start_ms", "end_ms"};

std::string iso(std::int64_t ms) {
  if (ms <= 0) return "";
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, size) + fraction;
}

std::string value_of(std::string_view name, const sdk::ActivationRefView& activation) {
  if (name == "activation") return std::string(activation.activation_id);
  if (name == "namespace") return std::string(activation.namespace_name);
  if (name == "namespace_id") return std::string(activation.namespace_id);
  if (name == "action") return std::string(activation.action);
  if (name == "start") return iso(activation.start_ms);
  if (name == "end") return iso(activation.end_ms);
  const std::int64_t ms = name == "start_ms" ? activation.start_ms : activation.end_ms;
  return ms > 0 ? std::to_string(ms) : "";
}

std::string escape(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

bool known(std::string_view name) {
  for (const std::string_view one : kNames) {
    if (one == name) return true;
  }
  return false;
}

// Calls text(piece) and name(name) for what the template is made of.
template <typename Text, typename Name>
void walk(std::string_view link, Text&& text, Name&& name) {
  while (!link.empty()) {
    const std::size_t open = link.find('{');
    const std::size_t close = open == std::string_view::npos ? open : link.find('}', open);
    if (close == std::string_view::npos) return text(link);
    text(link.substr(0, open));
    name(link.substr(open + 1, close - open - 1));
    link.remove_prefix(close + 1);
  }
}

}  // namespace

std::string unknown_in_link(std::string_view link) {
  std::string unknown;
  walk(
      link, [](std::string_view) {},
      [&](std::string_view name) {
        if (unknown.empty() && !known(name)) unknown = "{" + std::string(name) + "}";
      });
  return unknown;
}

std::string link_names() {
  std::string names;
  for (const std::string_view name : kNames) {
    if (!names.empty()) names += ", ";
    names += "{" + std::string(name) + "}";
  }
  return names;
}

std::string fill_link(std::string_view link, const sdk::ActivationRefView& activation) {
  std::string out;
  walk(
      link, [&](std::string_view text) { out.append(text); },
      [&](std::string_view name) { out.append(escape(value_of(name, activation))); });
  return out;
}

}  // namespace berth::log_driver
