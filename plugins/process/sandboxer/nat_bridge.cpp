// SPDX-License-Identifier: Apache-2.0
#include "nat_bridge.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include "nat_links.hpp"
#include "nat_rules.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// Says that bridge and table may be there.
constexpr const char* kMarker = "sandboxer.nat";
// Tried in this order where the operator names none.
constexpr uint32_t kFirstSubnet = 10u << 24 | 231u << 16;
constexpr int kSubnets = 16;
// Held from the choice of a subnet until it is seen in the host's routes.
constexpr const char* kChoiceLock = "run/berth-nat.lock";
constexpr int kChoiceLockMs = 10'000;

std::string hex8(const std::string& name) {
  uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", hash);
  return text;
}

// A word that nft takes for a table's name.
std::string table_name(const std::string& name) {
  std::string word = name.substr(0, 40);
  for (char& c : word) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!good) c = '_';
  }
  return word + "_" + hex8(name);
}

// The host's routes, from /proc/net/route, but those through `except`.
std::vector<std::pair<Ipv4Range, std::string>> routes(const HostView& host,
                                                      const std::string& except) {
  int error = 0;
  const std::string text = sys::read_file_at(host.proc.get(), "net/route", error);
  std::vector<std::pair<Ipv4Range, std::string>> found;
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    char name[64];
    unsigned destination = 0, mask = 0;
    if (std::sscanf(text.c_str() + at + 1, "%63s %x %*x %*x %*d %*d %*d %x", name, &destination,
                    &mask) != 3) {
      continue;
    }
    if (mask == 0 || except == name) continue;
    const auto prefix = static_cast<uint8_t>(__builtin_popcount(mask));
    found.push_back({{ntohl(destination), prefix}, name});
  }
  return found;
}

}  // namespace

NatBridge::NatBridge(const HostView& host, int data, const std::string& name)
    : host_(host),
      data_(data),
      bridge_("berth" + hex8(name)),
      table_name_(table_name(name)),
      table_(host, table_name_, bridge_),
      // Another in each life: a dead one's may still be on their way out.
      link_prefix_("bv" + sys::random_hex16().substr(0, 6)) {}

void NatBridge::enter(int ns) const {
  if (::setns(ns, CLONE_NEWNET) == 0) return;
  // Going on in a sandbox's network would be worse than ending.
  std::fprintf(stderr, "cannot change the network namespace: %s\n", std::strerror(errno));
  std::abort();
}

sdk::Status NatBridge::sweep() {
  int error = 0;
  sys::read_file_at(data_, kMarker, error);
  return error != 0 ? sdk::Status() : remove_all();
}

sdk::Status NatBridge::remove_all() {
  if (::if_nametoindex(bridge_.c_str()) != 0) {
    if (auto s = links::remove(bridge_); !s.ok()) return s;
  }
  if (auto s = table_.remove(); !s.ok()) return s;
  ::unlinkat(data_, kMarker, 0);
  return {};
}

void NatBridge::remove() {
  if (!configured_) return;
  configured_ = false;
  // Whether the marker is there or not: the data directory may have gone before us.
  if (auto s = remove_all(); !s.ok()) std::fprintf(stderr, "%s\n", s.message().c_str());
}

sdk::Status NatBridge::choose_subnet(const Ipv4Range& wanted, Ipv4Range& subnet) const {
  const auto taken = routes(host_, bridge_);
  const auto overlap = [&](const Ipv4Range& range) {
    return std::find_if(taken.begin(), taken.end(),
                        [&](const auto& route) { return route.first.overlaps(range); });
  };
  subnet = wanted;
  if (wanted.prefix != 0) {
    if (plan_.in_use(wanted.address + 1)) {
      return sdk::failed_precondition(
          "the gateway of the sandboxes' subnet " + text_of(wanted) +
          " would be the address of a sandbox that lives: choose another by "
          "plugin.process.nat.subnet");
    }
    const auto route = overlap(wanted);
    if (route == taken.end()) return {};
    return sdk::failed_precondition("the sandboxes' subnet " + text_of(wanted) + " overlaps " +
                                    text_of(route->first) + ", which the host reaches through " +
                                    route->second +
                                    ": choose another by plugin.process.nat.subnet");
  }
  for (int i = 0; i < kSubnets; ++i) {
    subnet = {kFirstSubnet + (static_cast<uint32_t>(i) << 16), 16};
    // The one we have already is kept.
    if (!subnets_.empty()) subnet = plan_.subnet();
    if (overlap(subnet) == taken.end()) return {};
  }
  return sdk::failed_precondition(
      "10.231.0.0/16 to 10.246.0.0/16 are all in use on this host: name "
      "a free subnet for the sandboxes by plugin.process.nat.subnet");
}

sdk::Status NatBridge::check_forwarding(bool enable) const {
  constexpr const char* kFile = "sys/net/ipv4/ip_forward";
  int error = 0;
  if (sys::read_file_at(host_.proc.get(), kFile, error).substr(0, 1) == "1") return {};
  if (!enable) {
    return sdk::failed_precondition(
        "this host does not forward IPv4, which network = \"nat\" needs: set the sysctl "
        "net.ipv4.ip_forward to 1, or plugin.process.nat.enable_forwarding to true, so that berthd "
        "does it");
  }
  error = sys::write_file_at(host_.proc.get(), kFile, "1");
  return error == 0 ? sdk::Status() : from_errno("cannot set net.ipv4.ip_forward", error);
}

sdk::Status NatBridge::make_bridge(const Ipv4Range& subnet) {
  if (!host_network_.valid()) {
    host_network_.reset(::openat(host_.proc.get(), "self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!host_network_.valid()) return from_errno("cannot open the network namespace", errno);
  }
  if (::if_nametoindex(bridge_.c_str()) == 0) {
    if (auto s = links::make_bridge(bridge_); !s.ok()) return s;
  }
  return links::add_gateway(bridge_, subnet.address + 1, subnet.prefix);
}

sdk::Status NatBridge::lock_choice(UniqueFd& lock) const {
  lock.reset(
      ::openat(host_.root.get(), kChoiceLock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.valid()) {
    // Where there is no such directory the others of this host have not got it either.
    if (errno == ENOENT || errno == EROFS) return {};
    return from_errno(std::string("cannot open /") + kChoiceLock, errno);
  }
  for (int waited = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++waited) {
    if (errno != EINTR && errno != EWOULDBLOCK) {
      return from_errno(std::string("cannot lock /") + kChoiceLock, errno);
    }
    if (waited >= kChoiceLockMs) {
      return sdk::failed_precondition(std::string("/") + kChoiceLock +
                                      " is held by another berth-sandboxer and not released");
    }
    ::usleep(1000);
  }
  return {};
}

sdk::Status NatBridge::configure(const NatSettings& settings) {
  if (configured_ && settings == settings_) return table_.check(true);
  // Two that choose at once would choose the same.
  UniqueFd lock;
  if (auto s = lock_choice(lock); !s.ok()) return s;
  Ipv4Range subnet;
  if (auto s = choose_subnet(settings.subnet, subnet); !s.ok()) return s;
  if (auto s = check_forwarding(settings.enable_forwarding); !s.ok()) return s;
  if (int e = sys::create_file_at(data_, kMarker, bridge_ + "\n" + table_name_ + "\n", 0600);
      e != 0) {
    return from_errno("cannot write to the data directory", e);
  }
  const bool first = !configured_;
  const std::string before = table_.script();
  if (std::find(subnets_.begin(), subnets_.end(), subnet) == subnets_.end()) {
    subnets_.push_back(subnet);
  }
  // The rules first: nothing is connected that they do not filter.
  NatRules rules{table_name_, bridge_, subnets_, settings.allow, settings.deny, settings.dns};
  auto status = table_.write(ruleset(rules));
  if (!status.ok()) {
    rules.limit_connections = false;
    if (table_.write(ruleset(rules)).ok()) {
      std::fprintf(stderr, "sandboxes' connections are not limited in number: %s\n",
                   status.message().c_str());
      status = {};
    }
  }
  if (status.ok()) status = make_bridge(subnet);
  if (!status.ok()) {
    if (first) {
      subnets_.clear();
      (void)remove_all();
    } else if (auto s = table_.write(before); !s.ok()) {
      std::fprintf(stderr, "%s\n", s.message().c_str());
    }
    return status;
  }
  if (first || plan_.subnet() != subnet) plan_.reset(subnet);
  settings_ = settings;
  configured_ = true;
  return {};
}

sdk::Status NatBridge::make(NatLink& link) {
  if (!configured_) return sdk::failed_precondition("there is no network configured");
  if (auto s = check(false); !s.ok()) return s;
  const auto address = plan_.take();
  if (!address) {
    return sdk::resource_exhausted("all addresses of " + text_of(plan_.subnet()) +
                                   " are in use: choose a larger plugin.process.nat.subnet");
  }
  link.address = *address;
  char serial[16];
  std::snprintf(serial, sizeof(serial), "%llx",
                static_cast<unsigned long long>(next_link_++ & 0xfffffff));
  auto status = connect(link, link_prefix_ + serial);
  if (!status.ok()) {
    link.ns.reset();
    plan_.give_back(*address);
  }
  return status;
}

sdk::Status NatBridge::connect(NatLink& link, const std::string& name) {
  if (::unshare(CLONE_NEWNET) != 0) return from_errno("cannot create a network namespace", errno);
  link.ns.reset(::openat(host_.proc.get(), "self/ns/net", O_RDONLY | O_CLOEXEC));
  sdk::Status status;
  if (!link.ns.valid()) status = from_errno("cannot open a network namespace", errno);
  // No IPv6 at interfaces to come; the loopback keeps its own.
  sys::write_file_at(host_.proc.get(), "sys/net/ipv6/conf/default/disable_ipv6", "1");
  // What a dead function has not finished sending holds its namespace: seconds, not minutes.
  sys::write_file_at(host_.proc.get(), "sys/net/ipv4/tcp_orphan_retries", "3");
  if (status.ok()) status = links::bring_loopback_up();
  enter(host_network_.get());
  if (!status.ok()) return status;
  if (auto s = links::make_pair(name, bridge_, link.ns.get(), settings_.bandwidth, link.index);
      !s.ok()) {
    return s;
  }
  enter(link.ns.get());
  status = links::configure_inside(link.address, plan_.gateway(), settings_.bandwidth);
  enter(host_network_.get());
  return status;
}

sdk::Status NatBridge::renew(NatLink& link) {
  const auto address = plan_.take();
  if (!address) return {};  // there is no other
  enter(link.ns.get());
  auto status = links::change_address(link.address, *address);
  enter(host_network_.get());
  plan_.give_back(status.ok() ? link.address : *address);
  if (status.ok()) link.address = *address;
  return status;
}

void NatBridge::remove_link(unsigned index) {
  if (auto s = links::remove(index); !s.ok()) std::fprintf(stderr, "%s\n", s.message().c_str());
}

bool NatBridge::exists(unsigned index) const {
  char name[IF_NAMESIZE];
  return ::if_indextoname(index, name) != nullptr;
}

}  // namespace berth::process
