// SPDX-License-Identifier: Apache-2.0
// The parts of network = "nat" that need no network: addresses, their plan, rules, and texts.
#include <gtest/gtest.h>
#include <set>

#include "protocol/protocol.hpp"
#include "sandboxer/address_plan.hpp"
#include "sandboxer/nat_rules.hpp"
#include "sandboxer/network_pool.hpp"

namespace berth::process {
namespace {

Ipv4Range range(const char* text) {
  Ipv4Range value;
  EXPECT_TRUE(parse_range(text, value)) << text;
  return value;
}

EgressRule rule(const char* text) {
  EgressRule value;
  EXPECT_TRUE(parse_rule(text, value)) << text;
  return value;
}

TEST(Ipv4, TextsThereAndBack) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32", "172.16.0.0/12"}) {
    EXPECT_EQ(text_of(range(text)), text);
  }
  EXPECT_EQ(text_of(range("1.2.3.4")), "1.2.3.4/32");
  EXPECT_EQ(rule("10.0.0.0/8:443").port, 443);
  Ipv4Range r;
  EgressRule e;
  for (const char* bad : {"", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4/33",
                          "1.2.3.4/", "10.0.0.1/8", "1.2.3.-4", "1.2.3.4 ", "::1", "+1.2.3.4"}) {
    EXPECT_FALSE(parse_range(bad, r)) << bad;
  }
  for (const char* bad : {"1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", ":80"}) {
    EXPECT_FALSE(parse_rule(bad, e)) << bad;
  }
}

TEST(Ipv4, RangesKnowWhatIsInThem) {
  EXPECT_TRUE(range("10.1.0.0/16").contains(0x0a01ffff));
  EXPECT_FALSE(range("10.1.0.0/16").contains(0x0a020000));
  EXPECT_TRUE(range("0.0.0.0/0").contains(0xffffffff));
  EXPECT_TRUE(range("10.0.0.0/8").overlaps(range("10.231.0.0/16")));
  EXPECT_TRUE(range("10.231.0.0/16").overlaps(range("10.0.0.0/8")));
  EXPECT_FALSE(range("10.231.0.0/16").overlaps(range("10.232.0.0/16")));
}

TEST(AddressPlan, HandsOutEachOnceAndTheReturnedLast) {
  AddressPlan plan;
  EXPECT_EQ(plan.free(), 0u);
  EXPECT_FALSE(plan.take().has_value());
  plan.reset(range("10.0.0.0/29"));
  EXPECT_EQ(text_of(plan.gateway()), "10.0.0.1");
  EXPECT_EQ(plan.free(), 5u);
  EXPECT_EQ(text_of(*plan.take()), "10.0.0.2");
  plan.give_back(0x0a000002);
  plan.give_back(0x0b000002);  // not ours
  std::set<uint32_t> taken;
  for (int i = 0; i < 4; ++i) taken.insert(*plan.take());
  EXPECT_EQ(*taken.begin(), 0x0a000003u);
  EXPECT_EQ(*taken.rbegin(), 0x0a000006u) << "7 is the broadcast address";
  EXPECT_EQ(plan.take(), 0x0a000002u);
  EXPECT_FALSE(plan.take().has_value());
  EXPECT_EQ(plan.free(), 0u);
}

TEST(AddressPlan, WhatIsInUseStaysSoInAnotherSubnet) {
  AddressPlan plan;
  plan.reset(range("10.0.0.8/29"));
  const uint32_t kept = *plan.take(), returned = *plan.take();
  EXPECT_EQ(text_of(kept), "10.0.0.10");
  // A larger one that has the smaller in it.
  plan.reset(range("10.0.0.0/28"));
  EXPECT_TRUE(plan.in_use(kept));
  EXPECT_EQ(plan.free(), 13u - 2 - 2) << "but two in use, and the earlier gateway and network";
  plan.give_back(returned);
  EXPECT_EQ(plan.free(), 10u);
  std::set<uint32_t> taken;
  while (const auto address = plan.take()) EXPECT_TRUE(taken.insert(*address).second);
  EXPECT_EQ(taken.size(), 10u);
  EXPECT_FALSE(taken.contains(kept));
  EXPECT_TRUE(taken.contains(returned));
  EXPECT_FALSE(taken.contains(0x0a000009)) << "it is still at the bridge";
  plan.give_back(kept);
  EXPECT_EQ(plan.take(), kept);
  // There and back.
  plan.reset(range("10.9.0.0/29"));
  const uint32_t there = *plan.take();
  plan.reset(range("10.0.0.0/28"));
  EXPECT_FALSE(plan.take().has_value());
  EXPECT_EQ(plan.free(), 0u);
  plan.give_back(there);
  EXPECT_FALSE(plan.take().has_value()) << "not of this subnet";
  plan.give_back(kept);
  EXPECT_EQ(plan.take(), kept);
}

TEST(NatRules, TheMostSpecificComesFirst) {
  const std::string text = ruleset({"t",
                                    "br",
                                    {range("10.231.0.0/16")},
                                    {rule("10.0.0.0/8"), rule("10.2.3.4:5432"), rule("10.2.3.4")},
                                    {rule("10.2.3.4"), rule("0.0.0.0/0")},
                                    {0x08080404}});
  const auto at = [&](const std::string& line) {
    const size_t found = text.find(line);
    EXPECT_NE(found, std::string::npos) << line << "\n" << text;
    return found;
  };
  const std::string refused = " goto refuse\n";
  const size_t dns = at("ip daddr 8.8.4.4 meta l4proto { tcp, udp } th dport 53 goto admit\n");
  const size_t port =
      at("ip daddr 10.2.3.4/32 meta l4proto { tcp, udp } th dport 5432 goto admit\n");
  const size_t denied = at("ip daddr 10.2.3.4/32" + refused);
  const size_t allowed = at("ip daddr 10.2.3.4/32 goto admit\n");
  const size_t wide = at("ip daddr 10.0.0.0/8 goto admit\n");
  const size_t ours = at("ip daddr 10.0.0.0/8" + refused);
  EXPECT_LT(dns, port);
  EXPECT_LT(port, denied);
  EXPECT_LT(denied, allowed);
  EXPECT_LT(allowed, wide);
  EXPECT_LT(wide, ours) << "the operator's before ours";
  EXPECT_LT(ours, at("ip daddr 224.0.0.0/4" + refused));
  EXPECT_LT(at("ip daddr 169.254.169.254/32" + refused), wide) << "more specific than any range";
  EXPECT_LT(at("ct count over 4096 } goto refuse\n"), dns);
  // To the host: the very address only.
  const std::string host = text.substr(text.find("chain to_host"));
  EXPECT_EQ(host.find("10.0.0.0/8"), std::string::npos);
  EXPECT_NE(host.find("10.2.3.4/32"), std::string::npos);
}

TEST(NatRules, ListingsAreRead) {
  const std::string listing =
      "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy "
      "drop;\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n"
      "\t}\n}\ntable inet mine {\n\tchain f {\n\t\ttype filter hook forward priority 0; policy "
      "accept;\n\t}\n\tchain g {\n\t\ttype filter hook forward priority 1; policy drop;\n\t}\n}\n";
  EXPECT_EQ(dropping_forward_chains(listing),
            (std::vector<std::string>{"ip filter FORWARD", "inet mine g"}));
  EXPECT_EQ(
      handles_of("chain x { # handle 1\n\tiifname \"br1\" counter accept # handle 12\n"
                 "\tiifname \"br12\" accept # handle 13\n\toifname \"br1\" accept # handle 14\n",
                 "br1"),
      (std::vector<std::string>{"12", "14"}));
}

TEST(NameServers, ThoseOfTheLoopbackAreNoUse) {
  EXPECT_EQ(reachable_servers("# x\nnameserver 127.0.0.53\nnameserver ::1\nnameserver\t10.0.0.2 \n"
                              "nameserver 1.1.1.1\nnameserver 8.8.8.8\nnameserver 9.9.9.9\n"),
            (std::vector<uint32_t>{0x0a000002, 0x01010101, 0x08080808}));
  EXPECT_TRUE(reachable_servers("nameservers 1.1.1.1\nnameserver\nsearch x\n").empty());
}

TEST(NatSettings, TravelWhole) {
  Settings settings;
  settings.network = Network::kNat;
  settings.nat = {
      range("10.231.0.0/16"), {rule("10.0.0.0/8:80")}, {rule("1.2.3.4")}, {7, 8}, 9, true};
  Writer out;
  encode(out, settings);
  Reader in(out.bytes());
  Settings read;
  ASSERT_TRUE(decode(in, read));
  EXPECT_EQ(read, settings);
  // A range with bits beyond its prefix is no range.
  settings.nat.deny[0].to = {1, 8};
  Writer bad;
  encode(bad, settings);
  Reader bad_in(bad.bytes());
  EXPECT_FALSE(decode(bad_in, read));
}

}  // namespace
}  // namespace berth::process
