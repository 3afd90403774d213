// SPDX-License-Identifier: Apache-2.0
#include "network_pool.hpp"

#include <cstdio>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "sys.hpp"

namespace berth::process {
namespace {

constexpr uint64_t kLeavingMs = 20;
constexpr uint64_t kLingerNs = 500'000'000;
// Sandboxes that live are filtered by nothing for as long as the first, should others remove the
// rules: changes come in crowds, and a look at them blocks the loop. The second is for hosts that
// tell of no change.
constexpr uint64_t kRulesChangedMs = 100;
constexpr uint64_t kRulesMs = 2000;
// The C library asks no more than these.
constexpr size_t kMostServers = 3;

// As the host would read it, links and all.
std::string host_file(const HostView& host, const char* path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  const UniqueFd file(
      static_cast<int>(::syscall(SYS_openat2, host.root.get(), path, &how, sizeof(how))));
  if (!file.valid()) return {};
  std::string text(64 << 10, '\0');
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

}  // namespace

std::vector<uint32_t> reachable_servers(std::string_view text) {
  std::vector<uint32_t> servers;
  while (!text.empty() && servers.size() < kMostServers) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.starts_with("nameserver") || line.size() < 12) continue;
    line.remove_prefix(10);
    const size_t from = line.find_first_not_of(" \t");
    if (from == 0 || from == std::string_view::npos) continue;
    line.remove_prefix(from);
    uint32_t server = 0;
    if (!parse_ipv4(line.substr(0, line.find_first_of(" \t\r")), server)) continue;
    if (server == 0 || server >> 24 == 127) continue;
    servers.push_back(server);
  }
  return servers;
}

std::vector<uint32_t> name_servers(const HostView& host, const NatSettings& settings) {
  if (!settings.dns.empty()) return settings.dns;
  // Where the first knows only a stub on the loopback, the second has what the stub asks.
  for (const char* path : {"etc/resolv.conf", "run/systemd/resolve/resolv.conf"}) {
    auto servers = reachable_servers(host_file(host, path));
    if (!servers.empty()) return servers;
  }
  return {};
}

NetworkPool::NetworkPool(Loop& loop, const HostView& host, bool privileged, int data,
                         const std::string& name)
    : loop_(loop),
      host_(host),
      privileged_(privileged),
      bridge_(host, data, name),
      user_nat_(loop, host) {}

void NetworkPool::sweep() {
  if (!privileged_) return;
  if (auto s = bridge_.sweep(); !s.ok()) std::fprintf(stderr, "%s\n", s.message().c_str());
}

sdk::Status NetworkPool::configure(const Settings& settings, std::vector<uint32_t>& servers) {
  if (settings.network == Network::kNat) {
    NatSettings effective = settings.nat;
    if (privileged_) effective.dns = name_servers(host_, settings.nat);
    auto status = privileged_ ? bridge_.configure(effective) : user_nat_.configure(effective);
    if (!status.ok()) return status;
    servers = privileged_ ? effective.dns : UserNat::servers(effective);
    nameless_ = servers.empty();
    watch_rules();
  }
  most_ = settings.pooled_networks;
  if (settings.network == kind_ && settings.nat == nat_) return {};
  kind_ = settings.network;
  nat_ = settings.nat;
  ++generation_;
  drop_kept();
  return {};
}

void NetworkPool::watch_rules() {
  if (!privileged_ || watching_rules_) return;
  watching_rules_ = true;
  if (!rule_events_.valid() && (rule_events_ = ruleset_events()).valid()) {
    loop_.watch(rule_events_.get(), EPOLLIN, [this](uint32_t) { on_rules_changed(); });
  }
  loop_.after_ms(kRulesMs, [this] {
    watching_rules_ = false;
    // What fails has been told to the log; the next try is not far.
    (void)bridge_.check(false);
    if (!stopping_) watch_rules();
  });
}

void NetworkPool::on_rules_changed() {
  take_events(rule_events_);
  if (looking_soon_) return;
  looking_soon_ = true;
  loop_.after_ms(kRulesChangedMs, [this] {
    looking_soon_ = false;
    if (!stopping_) (void)bridge_.check(false);
  });
}

void NetworkPool::drop_kept() {
  for (auto& network : std::exchange(pool_, {})) drop(std::move(network));
  for (auto& network : std::exchange(resting_, {})) drop(std::move(network));
}

sdk::Status NetworkPool::take(SandboxNetwork& network) {
  network.generation = generation_;
  if (kind_ == Network::kHost) return {};
  if (auto s = check_before_use(); !s.ok()) return s;
  while (!pool_.empty() || !resting_.empty()) {
    auto& from = pool_.empty() ? resting_ : pool_;
    const bool rested = &from == &pool_;
    network = std::move(from.back());
    from.pop_back();
    if (rested || bridge_.renew(network.link).ok()) return {};
    drop(std::move(network));
    network = {};
    network.generation = generation_;
  }
  if (kind_ == Network::kNone) return {};
  return privileged_ ? bridge_.make(network.link) : user_nat_.make(network.link);
}

bool NetworkPool::wanted(const SandboxNetwork& network) const {
  return !stopping_ && !network.link.lifeline.valid() && network.generation == generation_ &&
         pool_.size() + resting_.size() < most_;
}

void NetworkPool::give_back(SandboxNetwork network) {
  if (!network.link.ns.valid()) return;
  if (!wanted(network)) return drop(std::move(network));
  if (network.link.address == 0) {
    pool_.push_back(std::move(network));
    return;
  }
  resting_.push_back(std::move(network));
  loop_.when_idle([this] { rest(); });
}

void NetworkPool::rest() {
  if (resting_.empty()) return;  // taken meanwhile
  SandboxNetwork network = std::move(resting_.back());
  resting_.pop_back();
  if (!bridge_.renew(network.link).ok()) return drop(std::move(network));
  pool_.push_back(std::move(network));
}

void NetworkPool::drop(SandboxNetwork network) {
  if (!network.link.ns.valid() || network.link.address == 0) return;
  leaving_.push_back({network.link.index, network.link.address, sys::monotonic_ns()});
  watch_leaving();
}

void NetworkPool::watch_leaving() {
  if (watching_ || leaving_.empty()) return;
  watching_ = true;
  loop_.after_ms(kLeavingMs, [this] {
    watching_ = false;
    const uint64_t now = sys::monotonic_ns();
    std::erase_if(leaving_, [&](const Leaving& l) {
      if (bridge_.exists(l.index)) {
        if (now - l.since_ns < kLingerNs) return false;
        // A connection that its peer does not let end keeps a namespace; its link goes now.
        bridge_.remove_link(l.index);
      }
      bridge_.give_back(l.address);
      return true;
    });
    watch_leaving();
  });
}

void NetworkPool::shut_down() {
  stopping_ = true;
  if (rule_events_.valid()) loop_.unwatch(rule_events_.get());
  rule_events_.reset();
  drop_kept();
}

std::string NetworkPool::warning() const {
  if (kind_ != Network::kNat) return {};
  std::string text = bridge_.warning();
  if (nameless_) {
    text += std::string(text.empty() ? "" : "; ") +
            "the host has no name server that sandboxes can reach: set plugin.process.nat.dns";
  }
  return text;
}

void NetworkPool::tell(StatsReply& stats) const {
  stats.pooled_networks = static_cast<uint32_t>(pool_.size());
  stats.leaving_networks = static_cast<uint32_t>(leaving_.size());
  stats.free_addresses = bridge_.free_addresses();
}

}  // namespace berth::process
