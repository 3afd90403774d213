// SPDX-License-Identifier: Apache-2.0
#include "nat_links.hpp"

#include <algorithm>
#include <cerrno>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "netlink.hpp"
#include "sys.hpp"

namespace berth::process::links {
namespace {

constexpr const char* kInside = "eth0";
// What may pass at once, of the limit's share and at least a few packets of the largest size, and
// how much may wait.
constexpr uint64_t kBurstsASecond = 100;
constexpr uint64_t kLeastBurst = 128 << 10;
constexpr uint64_t kQueuesASecond = 20;

ifinfomsg link_body(unsigned index, bool up) {
  ifinfomsg body{};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = static_cast<int>(index);
  if (up) body.ifi_flags = body.ifi_change = IFF_UP;
  return body;
}

sdk::Status index_of(const std::string& name, unsigned& index) {
  index = ::if_nametoindex(name.c_str());
  if (index == 0) return from_errno("cannot find the interface " + name, errno);
  return {};
}

void add_limit(NetlinkBatch& batch, unsigned index, uint64_t bandwidth) {
  if (bandwidth == 0) return;
  const uint64_t burst =
      std::min<uint64_t>(std::max(kLeastBurst, bandwidth / kBurstsASecond), UINT32_MAX / 4);
  tcmsg body{};
  body.tcm_family = AF_UNSPEC;
  body.tcm_ifindex = static_cast<int>(index);
  body.tcm_handle = TC_H_MAKE(1u << 16, 0);
  body.tcm_parent = TC_H_ROOT;
  batch.message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body);
  batch.text(TCA_KIND, "tbf");
  const size_t options = batch.begin(TCA_OPTIONS);
  tc_tbf_qopt parameters{};
  // With a link layer that the kernel computes itself it needs no table of rates.
  parameters.rate.linklayer = TC_LINKLAYER_ETHERNET;
  parameters.rate.rate = static_cast<uint32_t>(std::min<uint64_t>(bandwidth, UINT32_MAX));
  parameters.limit =
      static_cast<uint32_t>(std::min<uint64_t>(burst + bandwidth / kQueuesASecond, UINT32_MAX / 2));
  batch.bytes(TCA_TBF_PARMS, &parameters, sizeof(parameters));
  if (bandwidth > UINT32_MAX) batch.u64(TCA_TBF_RATE64, bandwidth);
  batch.u32(TCA_TBF_BURST, static_cast<uint32_t>(burst));
  batch.end(options);
}

void add_address(NetlinkBatch& batch, uint16_t type, unsigned index, uint32_t address,
                 uint8_t prefix) {
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = prefix;
  body.ifa_index = index;
  batch.message(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, body);
  batch.address(IFA_LOCAL, address);
  batch.address(IFA_ADDRESS, address);
}

void add_route(NetlinkBatch& batch, unsigned index, uint32_t to, uint8_t prefix, uint32_t gateway) {
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_dst_len = prefix;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_type = RTN_UNICAST;
  body.rtm_scope = gateway != 0 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  batch.message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body);
  if (prefix != 0) batch.address(RTA_DST, to);
  if (gateway != 0) batch.address(RTA_GATEWAY, gateway);
  batch.u32(RTA_OIF, index);
}

}  // namespace

sdk::Status make_bridge(const std::string& name) {
  NetlinkBatch batch;
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_body(0, false));
  batch.text(IFLA_IFNAME, name);
  // One of its own, or it would change with its ports and the sandboxes would have to ask again.
  const std::string random = sys::random_hex16();
  uint8_t mac[6] = {0x02, 0xbe};
  for (size_t i = 2; i < 6; ++i)
    mac[i] = static_cast<uint8_t>(random[2 * i] * 16 + random[2 * i + 1]);
  batch.bytes(IFLA_ADDRESS, mac, sizeof(mac));
  const size_t info = batch.begin(IFLA_LINKINFO);
  batch.text(IFLA_INFO_KIND, "bridge");
  const size_t data = batch.begin(IFLA_INFO_DATA);
  batch.u8(IFLA_BR_MCAST_SNOOPING, 0);
  batch.end(data);
  batch.end(info);
  return run_netlink(batch);
}

sdk::Status add_gateway(const std::string& bridge, uint32_t address, uint8_t prefix) {
  unsigned index = 0;
  if (auto s = index_of(bridge, index); !s.ok()) return s;
  int error = 0;
  NetlinkBatch addresses;
  add_address(addresses, RTM_NEWADDR, index, address, prefix);
  auto status = run_netlink(addresses, &error);
  if (!status.ok() && error != EEXIST) return status;
  NetlinkBatch up;
  up.message(RTM_NEWLINK, 0, link_body(index, true));
  return run_netlink(up);
}

sdk::Status remove(const std::string& name) {
  NetlinkBatch batch;
  batch.message(RTM_DELLINK, 0, link_body(0, false));
  batch.text(IFLA_IFNAME, name);
  return run_netlink(batch);
}

sdk::Status remove(unsigned index) {
  NetlinkBatch batch;
  batch.message(RTM_DELLINK, 0, link_body(index, false));
  int error = 0;
  auto status = run_netlink(batch, &error);
  return error == ENODEV ? sdk::Status() : status;
}

sdk::Status make_pair(const std::string& name, const std::string& bridge, int ns,
                      uint64_t bandwidth, unsigned& index) {
  unsigned bridge_index = 0;
  if (auto s = index_of(bridge, bridge_index); !s.ok()) return s;
  NetlinkBatch batch;
  batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_body(0, false));
  batch.text(IFLA_IFNAME, name);
  batch.u32(IFLA_MASTER, bridge_index);
  const size_t info = batch.begin(IFLA_LINKINFO);
  batch.text(IFLA_INFO_KIND, "veth");
  const size_t data = batch.begin(IFLA_INFO_DATA);
  const size_t peer = batch.begin(VETH_INFO_PEER);
  const ifinfomsg inside = link_body(0, false);
  batch.raw(&inside, sizeof(inside));
  batch.text(IFLA_IFNAME, kInside);
  batch.u32(IFLA_NET_NS_FD, static_cast<uint32_t>(ns));
  batch.end(peer);
  batch.end(data);
  batch.end(info);
  if (auto s = run_netlink(batch); !s.ok()) return s;
  if (auto s = index_of(name, index); !s.ok()) return s;

  NetlinkBatch connect;
  ifinfomsg port = link_body(index, false);
  port.ifi_family = AF_BRIDGE;
  connect.message(RTM_SETLINK, 0, port);
  const size_t attributes = connect.begin(IFLA_PROTINFO);
  connect.u8(IFLA_BRPORT_ISOLATED, 1);
  connect.end(attributes);
  add_limit(connect, index, bandwidth);
  // Isolated before it is up: there is no moment at which it reaches another.
  connect.message(RTM_NEWLINK, 0, link_body(index, true));
  return run_netlink(connect);
}

sdk::Status configure_inside(uint32_t address, uint32_t gateway, uint64_t bandwidth) {
  unsigned index = 0;
  if (auto s = index_of(kInside, index); !s.ok()) return s;
  NetlinkBatch batch;
  // Alone in its subnet: all its traffic goes to the gateway.
  add_address(batch, RTM_NEWADDR, index, address, 32);
  add_limit(batch, index, bandwidth);
  batch.message(RTM_NEWLINK, 0, link_body(index, true));
  add_route(batch, index, gateway, 32, 0);
  add_route(batch, index, 0, 0, gateway);
  return run_netlink(batch);
}

sdk::Status change_address(uint32_t from, uint32_t to) {
  unsigned index = 0;
  if (auto s = index_of(kInside, index); !s.ok()) return s;
  NetlinkBatch batch;
  // In this order: with its last address an interface loses its routes.
  add_address(batch, RTM_NEWADDR, index, to, 32);
  add_address(batch, RTM_DELADDR, index, from, 32);
  return run_netlink(batch);
}

sdk::Status bring_loopback_up() {
  unsigned index = 0;
  if (auto s = index_of("lo", index); !s.ok()) return s;
  NetlinkBatch batch;
  batch.message(RTM_NEWLINK, 0, link_body(index, true));
  return run_netlink(batch);
}

}  // namespace berth::process::links
