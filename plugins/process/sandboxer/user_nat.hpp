// SPDX-License-Identifier: Apache-2.0
// UserNat: network = "nat" for a sandboxer without power over the host's network: in each namespace
// a slirp4netns, an ordinary program that speaks for it on the host's sockets, and the same rules
// as NatBridge's, by an nftables table inside the namespace, which the function cannot change.
//
// A namespace serves one sandbox: slirp4netns keeps what is on its way to the last. It ends with
// the last descriptor of the link's `lifeline`.
//
// Runs on the loop's thread only; making one blocks it for some tens of milliseconds, which happens
// ahead of a start.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "berth/sdk/status.hpp"
#include "loop.hpp"
#include "nat_bridge.hpp"
#include "protocol/protocol.hpp"

namespace berth::process {

class UserNat {
 public:
  UserNat(Loop& loop, const HostView& host);
  ~UserNat();

  // FAILED_PRECONDITION that names the package if a program is missing. `dns` are the operator's
  // name servers, if any.
  sdk::Status configure(const NatSettings& settings);
  sdk::Status make(NatLink& link);
  // slirp4netns' that have not ended.
  size_t living() const { return helpers_.size(); }
  // The name servers for resolv.conf: the operator's, or slirp4netns' own, which asks the host's.
  static std::vector<uint32_t> servers(const NatSettings& settings);

 private:
  sdk::Status make_namespace(UniqueFd& ns) const;
  sdk::Status start_helper(NatLink& link);
  std::string rules() const;

  Loop& loop_;
  const HostView& host_;
  NatSettings settings_;
  std::string nft_;
  std::string slirp_;
  std::unordered_map<int, UniqueFd> helpers_;  // by pidfd
};

}  // namespace berth::process
