// SPDX-License-Identifier: Apache-2.0
// AddressPlan: hands out the IPv4 addresses of a subnet, one a sandbox. The first is the host's own
// end, the gateway. Those that were given back are handed out last, so that what is still on its
// way to a dead sandbox reaches nobody for as long as there are others. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "protocol/ipv4.hpp"

namespace berth::process {

inline constexpr uint8_t kLargestSubnet = 8;  // prefixes
inline constexpr uint8_t kSmallestSubnet = 29;

class AddressPlan {
 public:
  // `subnet` has a prefix between the two. What is in use in an earlier subnet may be given back.
  void reset(const Ipv4Range& subnet);

  const Ipv4Range& subnet() const { return subnet_; }
  uint32_t gateway() const { return subnet_.address + 1; }

  // A free address, or nothing if all are in use.
  std::optional<uint32_t> take();
  void give_back(uint32_t address);
  uint32_t free() const;

 private:
  Ipv4Range subnet_;
  uint32_t next_ = 0;  // never handed out: from here to the last
  uint32_t last_ = 0;
  std::deque<uint32_t> returned_;
};

}  // namespace berth::process
