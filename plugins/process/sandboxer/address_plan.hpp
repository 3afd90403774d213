// SPDX-License-Identifier: Apache-2.0
// AddressPlan: hands out the IPv4 addresses of a subnet, one a sandbox. The first is the host's own
// end, the gateway. Those that were given back are handed out last, so that what is still on its
// way to a dead sandbox reaches nobody for as long as there are others. What is in use is never
// handed out, not in another subnet that has it too either. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "protocol/ipv4.hpp"

namespace berth::process {

inline constexpr uint8_t kLargestSubnet = 8;  // prefixes
inline constexpr uint8_t kSmallestSubnet = 29;

class AddressPlan {
 public:
  // `subnet` has a prefix between the two, and its gateway is not in use. What is in use in an
  // earlier subnet stays so until it is given back; the host keeps its addresses in earlier ones.
  void reset(const Ipv4Range& subnet);

  const Ipv4Range& subnet() const { return subnet_; }
  uint32_t gateway() const { return subnet_.address + 1; }

  // A free address, or nothing if all are in use.
  std::optional<uint32_t> take();
  void give_back(uint32_t address);
  bool in_use(uint32_t address) const { return used_.contains(address); }
  uint32_t free() const;

 private:
  bool fresh(uint32_t address) const;

  Ipv4Range subnet_;
  uint32_t next_ = 0;  // never handed out: from here to the last
  uint32_t last_ = 0;
  std::deque<uint32_t> returned_;
  std::set<uint32_t> used_;
  std::set<uint32_t> reserved_;  // network, gateway and broadcast of all subnets so far
};

}  // namespace berth::process
