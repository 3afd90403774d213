// SPDX-License-Identifier: Apache-2.0
// IPv4 addresses, ranges and rules of what may be reached, and their texts. Addresses are numbers
// in the host's byte order. Plain values and pure functions, safe on any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire.hpp"

namespace berth::process {

struct Ipv4Range {
  uint32_t address = 0;
  uint8_t prefix = 0;  // 0..32; the bits of `address` beyond it are 0

  uint32_t mask() const { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }
  uint64_t size() const { return uint64_t{1} << (32 - prefix); }
  bool contains(uint32_t a) const { return (a & mask()) == address; }
  bool overlaps(const Ipv4Range& o) const { return contains(o.address) || o.contains(address); }
  bool operator==(const Ipv4Range&) const = default;
};

// Traffic to a range, TCP and UDP to one port of it, or all.
struct EgressRule {
  Ipv4Range to;
  uint16_t port = 0;  // 0: everything
  bool operator==(const EgressRule&) const = default;
};

// "10.1.2.3"; strict: four decimal numbers, no leading zeros.
bool parse_ipv4(std::string_view text, uint32_t& address);
// "10.1.0.0/16" or an address, which is a range of one. False also if bits beyond the prefix are
// set: then whoever wrote it means something else.
bool parse_range(std::string_view text, Ipv4Range& range);
// A range, or a range and a port: "10.2.3.4:5432".
bool parse_rule(std::string_view text, EgressRule& rule);

std::string text_of(uint32_t address);
std::string text_of(const Ipv4Range& range);

void encode(Writer& out, const Ipv4Range& m);
void encode(Writer& out, const EgressRule& m);
// False if the prefix is longer than 32 or bits beyond it are set.
bool decode(Reader& in, Ipv4Range& m);
bool decode(Reader& in, EgressRule& m);

}  // namespace berth::process
