// SPDX-License-Identifier: Apache-2.0
#include "ipv4.hpp"

#include <charconv>

namespace berth::process {
namespace {

// A decimal number as people write it; false if it is none or greater than `most`.
bool parse_number(std::string_view text, uint32_t most, uint32_t& number) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number <= most;
}

}  // namespace

bool parse_ipv4(std::string_view text, uint32_t& address) {
  address = 0;
  for (int i = 0; i < 4; ++i) {
    const size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (i == 3)) return false;
    uint32_t part = 0;
    if (!parse_number(text.substr(0, dot), 255, part)) return false;
    address = address << 8 | part;
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  }
  return true;
}

bool parse_range(std::string_view text, Ipv4Range& range) {
  const size_t slash = text.find('/');
  uint32_t prefix = 32;
  if (!parse_ipv4(text.substr(0, slash), range.address)) return false;
  if (slash != std::string_view::npos && !parse_number(text.substr(slash + 1), 32, prefix)) {
    return false;
  }
  range.prefix = static_cast<uint8_t>(prefix);
  return (range.address & ~range.mask()) == 0;
}

bool parse_rule(std::string_view text, EgressRule& rule) {
  const size_t colon = text.find(':');
  uint32_t port = 0;
  if (colon != std::string_view::npos &&
      (!parse_number(text.substr(colon + 1), 65535, port) || port == 0)) {
    return false;
  }
  rule.port = static_cast<uint16_t>(port);
  return parse_range(text.substr(0, colon), rule.to);
}

std::string text_of(uint32_t address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string(address >> shift & 255);
    if (shift != 0) text += '.';
  }
  return text;
}

std::string text_of(const Ipv4Range& range) {
  return text_of(range.address) + "/" + std::to_string(range.prefix);
}

void encode(Writer& out, const Ipv4Range& m) {
  out.u32(m.address);
  out.u8(m.prefix);
}

void encode(Writer& out, const EgressRule& m) {
  encode(out, m.to);
  out.u32(m.port);
}

bool decode(Reader& in, Ipv4Range& m) {
  m.address = in.u32();
  m.prefix = in.u8();
  return in.ok() && m.prefix <= 32 && (m.address & ~m.mask()) == 0;
}

bool decode(Reader& in, EgressRule& m) {
  const bool range = decode(in, m.to);
  const uint32_t port = in.u32();
  m.port = static_cast<uint16_t>(port);
  return range && in.ok() && port <= 65535;
}

}  // namespace berth::process
