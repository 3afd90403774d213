// SPDX-License-Identifier: Apache-2.0
// The peer of a call through a plugin's table: a virtual call into another shared object.
#pragma once

#include <cstdint>

namespace berth::bench {

class VirtualPeer {
 public:
  virtual ~VirtualPeer() = default;
  virtual void cancel(std::uint64_t op) = 0;
};

__attribute__((visibility("default"))) VirtualPeer& virtual_peer();

}  // namespace berth::bench
