// SPDX-License-Identifier: Apache-2.0
#include "virtual_peer.hpp"

namespace berth::bench {
namespace {

class Peer final : public VirtualPeer {
 public:
  void cancel(std::uint64_t) override {}
};

}  // namespace

VirtualPeer& virtual_peer() {
  static Peer peer;
  return peer;
}

}  // namespace berth::bench
