// SPDX-License-Identifier: Apache-2.0
// NatBridge: the host's side of network = "nat": a bridge of this data directory, whose ports
// cannot reach each other, the addresses behind it, and an nftables table of its own that filters
// what leaves it and masquerades.
//
// Only what bears our names is touched, so several of these share a host, with different subnets.
// What a killed predecessor left is removed by `sweep`. Networks vanish by themselves with the last
// descriptor of their namespace, and the kernel takes the host's end along.
//
// As root only. Runs on the loop's thread only; calls of nft block it, which happens when settings
// come, when others change the host's rules, and at the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address_plan.hpp"
#include "berth/sdk/status.hpp"
#include "nat_table.hpp"
#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"
#include "rootfs.hpp"

namespace berth::process {

// A network namespace with a way out.
struct NatLink {
  UniqueFd ns;
  uint32_t address = 0;
  unsigned index = 0;  // of the host's end
  UniqueFd lifeline;   // of what speaks for it, where that is a program (user_nat.hpp)
};

class NatBridge {
 public:
  // `name` is unique to the data directory `data` on this host.
  NatBridge(const HostView& host, int data, const std::string& name);

  // Removes what an earlier life left. For people in the status what could not be.
  sdk::Status sweep();

  // Makes the bridge and the rules for these settings, or changes them. `settings.dns` are the name
  // servers in effect. FAILED_PRECONDITION with the mend if the host cannot.
  sdk::Status configure(const NatSettings& settings);
  bool configured() const { return configured_; }
  // What the operator should know though it works; empty if nothing.
  const std::string& warning() const { return table_.warning(); }

  // Sees to it that the rules are there though others may have removed them (nat_table.hpp); if
  // they cannot be, nobody is to be connected. Mostly some microseconds; `now`: not the answer of
  // a moment ago.
  sdk::Status check(bool now) { return configured_ ? table_.check(now) : sdk::Status(); }

  // Makes a namespace and connects it. RESOURCE_EXHAUSTED if all addresses are in use.
  sdk::Status make(NatLink& link);
  // Gives the namespace another address, so that nothing that is on its way to the last one who
  // used it reaches the next.
  sdk::Status renew(NatLink& link);
  // Whether the host's end is still there.
  bool exists(unsigned index) const;
  // Takes it away though its namespace is still there; blocks for some tens of milliseconds.
  void remove_link(unsigned index);
  // The address may be handed out again: its namespace is gone.
  void give_back(uint32_t address) { plan_.give_back(address); }
  uint32_t free_addresses() const { return configured_ ? plan_.free() : 0; }

  // Removes bridge and rules.
  void remove();

  const std::string& bridge() const { return bridge_; }
  const std::string& table() const { return table_name_; }

 private:
  sdk::Status lock_choice(UniqueFd& lock) const;
  sdk::Status choose_subnet(const Ipv4Range& wanted, Ipv4Range& subnet) const;
  sdk::Status check_forwarding(bool enable) const;
  sdk::Status make_bridge(const Ipv4Range& subnet);
  sdk::Status remove_all();
  sdk::Status connect(NatLink& link, const std::string& name);
  void enter(int ns) const;

  const HostView& host_;
  const int data_;
  std::string bridge_;
  std::string table_name_;
  NatTable table_;
  std::string link_prefix_;
  UniqueFd host_network_;
  AddressPlan plan_;
  std::vector<Ipv4Range> subnets_;  // of this life; sandboxes may still be in an earlier one
  NatSettings settings_;
  bool configured_ = false;
  uint64_t next_link_ = 1;
};

}  // namespace berth::process
