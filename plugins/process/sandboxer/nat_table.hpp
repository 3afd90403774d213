// SPDX-License-Identifier: Apache-2.0
// NatTable: the nftables table of network = "nat", and the rules that let its traffic pass where
// the host drops what it forwards. Others may take either away (`nft flush ruleset`, as a reload
// of the nftables service does it, or Docker that starts later), so that it is looked after.
//
// Calls of nft block for some milliseconds. Runs on the loop's thread only, in the host's network
// namespace.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"
#include "protocol/unique_fd.hpp"
#include "rootfs.hpp"

namespace berth::process {

class NatTable {
 public:
  // `table` is a name that nft takes, `bridge` the interface whose traffic it filters.
  NatTable(const HostView& host, std::string table, std::string bridge);

  // Replaces the table by this text of nft's. On failure what was there stays, or is incomplete
  // where check() says so.
  sdk::Status write(const std::string& script);
  // Whether all is as it was written, which it is made where it is not. Cheap as long as nobody
  // changed any rules of this host; else nft is asked. What failed is tried once in kCheckNs,
  // unless `now`, and is the answer meanwhile.
  sdk::Status check(bool now);
  // Removes all, whether it is there or not.
  sdk::Status remove();

  const std::string& script() const { return script_; }
  // What the operator should know though it works; empty if nothing.
  const std::string& warning() const { return warning_; }

  static constexpr uint64_t kCheckNs = 1'000'000'000;

 private:
  sdk::Status nft(std::string_view script, std::string& output) const;
  sdk::Status list(std::string& text) const;
  sdk::Status restore();
  sdk::Status open_forward_chains();
  void close_forward_chain() const;

  const HostView& host_;
  const std::string table_;
  const std::string bridge_;
  std::string script_;       // what was written last; empty: nothing
  std::string listing_;      // as nft showed it then
  uint32_t generation_ = 0;  // of the host's rules when all was well; 0: unknown
  uint64_t checked_ns_ = 0;
  sdk::Status checked_;
  std::string warning_;
};

// The number of this network namespace's nftables ruleset, which every change changes; 0 if it
// cannot be told.
uint32_t ruleset_generation();

// A socket that is readable when the ruleset has changed; not valid if that cannot be had. The
// second takes what has come.
UniqueFd ruleset_events();
void take_events(const UniqueFd& events);

}  // namespace berth::process
