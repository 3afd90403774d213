// SPDX-License-Identifier: Apache-2.0
// What sandboxes with network = "nat" may reach, as a ruleset for nft. Pure functions.
//
// The most specific rule decides: the longer prefix, then one with a port, then the operator's
// before ours, then a denial. Ours deny private, local and special ranges, the metadata service of
// clouds among them, and port 53 but to the name servers. The host itself is reached only where the
// operator allows its very address, and one sandbox by another never.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ipv4.hpp"

namespace berth::process {

// Connections that a sandbox may have at once, those that the kernel still remembers counted too.
inline constexpr unsigned kMostConnections = 4096;

struct NatRules {
  std::string table;   // a name that nft takes
  std::string bridge;  // the interface that sandboxes are behind
  std::vector<Ipv4Range> subnets;
  std::vector<EgressRule> allow;
  std::vector<EgressRule> deny;
  std::vector<uint32_t> dns;
  bool limit_connections = true;  // to kMostConnections; not every kernel can (nft_connlimit)
};

// Replaces the table, or makes it, in one transaction.
std::string ruleset(const NatRules& rules);
// Removes it, whether it is there or not.
std::string removal(const std::string& table);

// For a network namespace of which nothing outside filters (as an ordinary user): the same rules
// where packets leave it. `local` are the host's own addresses.
std::string own_ruleset(const NatRules& rules, const std::vector<uint32_t>& local);

// To be added to it: how much may pass by `interface` each way, in bytes a second.
std::string own_limits(const std::string& table, const std::string& interface, uint64_t bandwidth);

// Chains that drop what they do not know of what is forwarded, in the text of `nft list chains`:
// "FAMILY TABLE CHAIN" each.
std::vector<std::string> dropping_forward_chains(std::string_view listing);
// Handles of the rules that name `interface`, in the text of `nft -a list chain …`.
std::vector<std::string> handles_of(std::string_view listing, const std::string& interface);

}  // namespace berth::process
