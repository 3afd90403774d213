// SPDX-License-Identifier: Apache-2.0
#include "nat_table.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <utility>
#include <vector>

#include "host_command.hpp"
#include "nat_rules.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// Where Docker and others drop what they do not know; rules there are written as iptables does.
constexpr const char* kIptablesForward = "ip filter FORWARD";
constexpr int kWriteAttempts = 3;

}  // namespace

uint32_t ruleset_generation() {
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd.valid()) return 0;
  const timeval limit{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  struct {
    nlmsghdr header;
    nfgenmsg body;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (::sendto(fd.get(), &request, sizeof(request), 0, reinterpret_cast<const sockaddr*>(&kernel),
               sizeof(kernel)) != static_cast<ssize_t>(sizeof(request))) {
    return 0;
  }
  alignas(nlmsghdr) char answer[1024];
  const ssize_t n = ::recv(fd.get(), answer, sizeof(answer), 0);
  nlmsghdr header;
  if (n < static_cast<ssize_t>(sizeof(request))) return 0;
  std::memcpy(&header, answer, sizeof(header));
  if (header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) return 0;
  for (size_t at = sizeof(request); at + NLA_HDRLEN <= static_cast<size_t>(n);) {
    nlattr attribute;
    std::memcpy(&attribute, answer + at, sizeof(attribute));
    if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > static_cast<size_t>(n)) break;
    if (attribute.nla_type == NFTA_GEN_ID && attribute.nla_len == NLA_HDRLEN + sizeof(uint32_t)) {
      uint32_t id;
      std::memcpy(&id, answer + at + NLA_HDRLEN, sizeof(id));
      return ntohl(id);
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return 0;
}

UniqueFd ruleset_events() {
  UniqueFd events(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1u << (NFNLGRP_NFTABLES - 1);
  if (events.valid() &&
      ::bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    events.reset();
  }
  return events;
}

void take_events(const UniqueFd& events) {
  // More than its buffer holds is an error that is taken, too.
  char some[8192];
  for (int i = 0; i < 1000; ++i) {
    if (::recv(events.get(), some, sizeof(some), 0) < 0 && errno == EAGAIN) return;
  }
}

NatTable::NatTable(const HostView& host, std::string table, std::string bridge)
    : host_(host), table_(std::move(table)), bridge_(std::move(bridge)) {}

sdk::Status NatTable::nft(std::string_view script, std::string& output) const {
  const std::string program = find_host_program(host_, "nft");
  if (program.empty()) {
    return sdk::failed_precondition(
        "network = \"nat\" needs nft, which is not installed: install the package nftables");
  }
  return run_host_program(host_, {program, "-f", "-"}, script, output);
}

sdk::Status NatTable::list(std::string& text) const {
  // Without what changes by itself: counters, and the elements of sets.
  return run_host_program(
      host_, {find_host_program(host_, "nft"), "-s", "-t", "list", "table", "inet", table_}, "",
      text);
}

sdk::Status NatTable::write(const std::string& script) {
  // What others change between the writing and the look at it would be taken for ours; each change
  // counts the generation up by one.
  for (int attempt = 0; attempt < kWriteAttempts; ++attempt) {
    const uint32_t before = ruleset_generation();
    std::string output;
    if (auto s = nft(script, output); !s.ok()) return s;
    // From here on check() restores this one, whatever happens.
    script_ = script;
    generation_ = 0;
    const uint32_t written = ruleset_generation();
    const bool listed = list(listing_).ok();
    if (!listed) listing_.clear();
    if (listed && written == before + 1 && ruleset_generation() == written) {
      generation_ = written;
      break;
    }
  }
  if (listing_.empty()) {
    return sdk::failed_precondition("the nftables table " + table_ +
                                    " is not there though it has been written");
  }
  auto status = open_forward_chains();
  if (!status.ok()) generation_ = 0;
  return status;
}

sdk::Status NatTable::check(bool now) {
  if (script_.empty()) return {};
  const uint32_t generation = ruleset_generation();
  if (generation != 0 && generation == generation_) return {};
  const uint64_t time = sys::monotonic_ns();
  if (!now && !checked_.ok() && time - checked_ns_ < kCheckNs) return checked_;
  checked_ns_ = time;
  checked_ = restore();
  return checked_;
}

sdk::Status NatTable::restore() {
  const uint32_t generation = ruleset_generation();
  std::string text;
  if (listing_.empty() || !list(text).ok() || text != listing_) {
    auto status = write(std::string(script_));
    // Once for each thing that is wrong, as this is tried every few seconds.
    if (status.ok() || status.message() != checked_.message()) {
      std::fprintf(stderr, "the nftables table %s was removed or changed by others: %s\n",
                   table_.c_str(), status.ok() ? "it is written again" : status.message().c_str());
    }
    return status;
  }
  if (auto s = open_forward_chains(); !s.ok()) return s;
  generation_ = generation;
  return {};
}

sdk::Status NatTable::remove() {
  script_.clear();
  listing_.clear();
  std::string output;
  if (auto s = nft(removal(table_), output); !s.ok()) return s;
  close_forward_chain();
  return {};
}

sdk::Status NatTable::open_forward_chains() {
  warning_.clear();
  std::string listing;
  if (auto s = nft("list chains\n", listing); !s.ok()) return s;
  for (const std::string& chain : dropping_forward_chains(listing)) {
    if (chain != kIptablesForward) {
      warning_ = "the chain " + chain + " of this host's nftables drops what it does not know, " +
                 "sandboxes' traffic too: let it accept iifname and oifname " + bridge_;
      continue;
    }
    std::string rules;
    // Ours come first and have dropped what must not pass by then.
    const std::string list = std::string("list chain ") + kIptablesForward + "\n";
    if (auto s = nft(list, rules); !s.ok()) return s;
    if (rules.find("\"" + bridge_ + "\"") != std::string::npos) continue;
    for (const char* direction : {"iifname", "oifname"}) {
      if (auto s = nft(std::string("insert rule ") + kIptablesForward + " " + direction + " \"" +
                           bridge_ + "\" counter accept\n",
                       rules);
          !s.ok()) {
        return s;
      }
    }
  }
  return {};
}

void NatTable::close_forward_chain() const {
  const std::string program = find_host_program(host_, "nft");
  std::string listing;
  // Where there is no such chain there is nothing to remove.
  if (!run_host_program(host_, {program, "-a", "list", "chain", "ip", "filter", "FORWARD"}, "",
                        listing)
           .ok()) {
    return;
  }
  for (const std::string& handle : handles_of(listing, bridge_)) {
    std::string output;
    const auto s =
        nft(std::string("delete rule ") + kIptablesForward + " handle " + handle + "\n", output);
    if (!s.ok()) std::fprintf(stderr, "%s\n", s.message().c_str());
  }
}

}  // namespace berth::process
