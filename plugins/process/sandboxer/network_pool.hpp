// SPDX-License-Identifier: Apache-2.0
// NetworkPool: the network namespaces of sandboxes. Those of the dead are kept for the next, since
// making one costs more than the rest of a sandbox; nothing of a dead sandbox remains in one but
// its interfaces, and a way out gets another address.
//
// Runs on the loop's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loop.hpp"
#include "nat_bridge.hpp"
#include "protocol/protocol.hpp"
#include "rootfs.hpp"
#include "user_nat.hpp"

namespace berth::process {

// A namespace, given back to the pool when its sandbox has ended.
struct SandboxNetwork {
  NatLink link;             // without an address: only a loopback
  uint64_t generation = 0;  // of the settings it was made by
};

class NetworkPool {
 public:
  // `name` is unique to the data directory `data` on this host.
  NetworkPool(Loop& loop, const HostView& host, bool privileged, int data, const std::string& name);

  // What a predecessor left is removed. Problems are written to the log.
  void sweep();
  // Applies to networks made from now on. `servers` takes the name servers that sandboxes are to
  // use. On failure the old settings stay.
  sdk::Status configure(const Settings& settings, std::vector<uint32_t>& servers);

  // Whether what filters the networks' traffic is still there, which is asked often by itself too;
  // it is made again if it can be.
  sdk::Status check() { return privileged_ ? bridge_.check(true) : sdk::Status(); }
  // The same, cheaply: before a sandbox that was made ahead is given to a function.
  sdk::Status check_before_use() {
    return privileged_ && kind_ == Network::kNat ? bridge_.check(false) : sdk::Status();
  }

  // Takes one for a sandbox. `ns` stays invalid where the sandbox is to make its own, empty one, or
  // has the host's.
  sdk::Status take(SandboxNetwork& network);
  // What take() gave, perhaps with the namespace that the sandbox made for itself; none of its
  // processes is left.
  void give_back(SandboxNetwork network);
  // Lets it go for good.
  void drop(SandboxNetwork network);

  // No network is kept any more; when `leaving()` is 0, all are gone.
  void shut_down();
  // Removes what belongs to all of them; the last call.
  void remove() { bridge_.remove(); }

  void tell(StatsReply& stats) const;
  size_t pooled() const { return pool_.size(); }
  // Networks that are being taken down.
  size_t leaving() const { return leaving_.size() + (stopping_ ? user_nat_.living() : 0); }
  // What the operator should know though it works; empty if nothing.
  std::string warning() const;

 private:
  struct Leaving {
    unsigned index;
    uint32_t address;
    uint64_t since_ns;
  };
  // Whether a network given back is to be kept.
  bool wanted(const SandboxNetwork& network) const;
  void rest();
  void drop_kept();
  void watch_leaving();
  void watch_rules();
  void on_rules_changed();

  Loop& loop_;
  const HostView& host_;
  const bool privileged_;
  NatBridge bridge_;
  UserNat user_nat_;
  Network kind_ = Network::kNone;
  NatSettings nat_;
  size_t most_ = 0;
  uint64_t generation_ = 1;
  bool stopping_ = false;
  std::vector<SandboxNetwork> pool_;
  std::vector<SandboxNetwork> resting_;  // to get another address when nothing else is to do
  std::vector<Leaving> leaving_;
  bool watching_ = false;
  bool watching_rules_ = false;
  UniqueFd rule_events_;
  bool looking_soon_ = false;  // at the rules, which have changed
  bool nameless_ = false;      // nat without a name server
};

// The name servers in the text of a resolv.conf that a sandbox can reach: IPv4, and not the host's
// loopback.
std::vector<uint32_t> reachable_servers(std::string_view resolv_conf);

// The name servers for sandboxes: the operator's, or else the host's.
std::vector<uint32_t> name_servers(const HostView& host, const NatSettings& settings);

}  // namespace berth::process
