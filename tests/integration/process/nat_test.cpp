// SPDX-License-Identifier: Apache-2.0
// network = "nat": what sandboxes reach and what not.
#include <set>
#include <signal.h>
#include <sstream>
#include <unistd.h>

#include "nat_fixture.hpp"

namespace berth::process::test {
namespace {

constexpr uid_t kOrdinary = 12345;

}  // namespace

TEST_F(NatTest, ThePublicInternetIsReachedAsTheHost) {
  start();
  const Probe p = probe("a");
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  EXPECT_EQ(tcp(p, Net::kOtherPublic, 5432), seen(Net::kOtherPublic));
}

TEST_F(NatTest, NothingPrivateIsReachedNorTheHost) {
  start();
  const Probe p = probe("a");
  for (const char* to : Net::kPrivate) EXPECT_EQ(tcp(p, to), kRefused) << to;
  EXPECT_EQ(tcp(p, Net::kHostAddress), kRefused);
  EXPECT_EQ(tcp(p, Net::kOtherHostAddress), kRefused);
  EXPECT_EQ(udp(p, Net::kHostAddress, 80), kRefusedDatagram);
  // The gateway is the host too.
  const std::string own = ask(p.socket_path, "address");
  const std::string gateway = own.substr(0, own.find('.', own.find('.') + 1)) + ".0.1";
  EXPECT_EQ(tcp(p, gateway), kRefused) << gateway;
  // Its loopback is its own.
  EXPECT_EQ(tcp(p, "127.0.0.1", 81), "ECONNREFUSED");
  EXPECT_EQ(ask(p.socket_path, "serve/8081"), "serving");
  EXPECT_EQ(tcp(p, "127.0.0.1", 8081), "inside");
  // The services were there all the time.
  EXPECT_EQ(Net::sh("bash -c 'exec 3<>/dev/tcp/127.0.0.1/81; cat <&3'"), "127.0.0.1 127.0.0.1");
  EXPECT_EQ(Net::sh("bash -c 'exec 3<>/dev/tcp/10.1.2.3/80; cat <&3'"), "5.6.7.1 10.1.2.3");
}

TEST_F(NatTest, TheMostSpecificRuleDecides) {
  NatSettings& nat = sandboxer_->settings.nat;
  nat.allow = {rule("10.0.0.0/8"), rule("172.16.5.5:5432"), rule("1.2.3.4:5432"),  rule("5.6.7.9"),
               rule("5.6.7.0/24"), rule("100.64.0.0/10"),   rule("169.254.0.0/16")};
  nat.deny = {rule("10.2.0.0/16"), rule("1.0.0.0/8")};
  start();
  const Probe p = probe("a");
  EXPECT_EQ(tcp(p, "10.1.2.3"), seen("10.1.2.3"));
  EXPECT_EQ(tcp(p, "10.2.3.4"), kRefused) << "denied in what is allowed";
  EXPECT_EQ(tcp(p, "172.16.5.5", 5432), seen("172.16.5.5"));
  EXPECT_EQ(tcp(p, "172.16.5.5", 80), kRefused) << "another port";
  EXPECT_EQ(tcp(p, "1.2.3.4", 5432), seen("1.2.3.4")) << "allowed in what is denied";
  EXPECT_EQ(tcp(p, "1.2.3.4", 80), kRefused);
  EXPECT_EQ(tcp(p, "100.64.1.1"), seen("100.64.1.1"));
  EXPECT_EQ(tcp(p, "169.254.1.1"), seen("169.254.1.1"));
  EXPECT_EQ(tcp(p, "169.254.169.254"), kRefused) << "only by its very address";
  EXPECT_EQ(tcp(p, Net::kHostAddress), kRefused) << "the host only by its very address";
  EXPECT_NE(tcp(p, Net::kOtherHostAddress).find(" 5.6.7.9"), std::string::npos);
  EXPECT_EQ(tcp(p, "192.168.77.1"), kRefused);
  // Other rules reach those that live already.
  nat.allow = {rule("169.254.169.254"), rule("192.168.77.1:80")};
  nat.deny = {rule("0.0.0.0/0")};
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_->settings).status.ok());
  EXPECT_EQ(tcp(p, "169.254.169.254"), seen("169.254.169.254"));
  EXPECT_EQ(tcp(p, "192.168.77.1"), seen("192.168.77.1"));
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  EXPECT_EQ(tcp(p, Net::kPublic), kRefused) << "nothing but what is allowed";
  EXPECT_EQ(udp(p, Net::kNameServer), Net::kNameServer) << "names too";
}

TEST_F(NatTest, NamesAreLookedUpAtTheNameServersAndNobodyElse) {
  start();
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "cat/etc/resolv.conf"), "nameserver 8.8.4.4\n");
  EXPECT_EQ(udp(p, Net::kNameServer), Net::kNameServer);
  EXPECT_EQ(udp(p, Net::kPublic), kRefusedDatagram);
  EXPECT_EQ(tcp(p, Net::kPublic, 53), kRefused);
  if (::access("/usr/bin/python3", X_OK) != 0) return;
  const Probe python = probe("py", [](CreateRequest& r) {
    r.argv = {"/usr/bin/python3", "-c",
              "import socket; print(socket.gethostbyname('somewhere.example'))"};
    r.memory_bytes = 256 << 20;
  });
  ASSERT_NE(client_->wait_died(), nullptr);
  const Output output = read_output(*client_, python.id);
  EXPECT_EQ(output.out, "9.9.9.9\n") << output.err;
}

TEST_F(NatTest, SandboxesDoNotReachOneAnother) {
  // Not even where the operator is generous.
  sandboxer_->settings.nat.allow = {rule("10.0.0.0/8")};
  start();
  const Probe a = probe("a"), b = probe("b");
  const std::string at_a = ask(a.socket_path, "address"), at_b = ask(b.socket_path, "address");
  EXPECT_NE(at_a, at_b);
  EXPECT_TRUE(at_b.starts_with("10.231.")) << at_b;
  EXPECT_EQ(ask(b.socket_path, "serve/7000"), "serving");
  EXPECT_EQ(tcp(b, at_b, 7000), "inside") << "it does listen";
  EXPECT_EQ(tcp(a, at_b, 7000), kRefused);
  EXPECT_EQ(Net::sh("bash -c 'exec 3<>/dev/tcp/" + at_b + "/7000; cat <&3'"), "inside")
      << "the host reaches it";
  // Nor past the host: the bridge's ports are isolated, whatever a sandbox would send.
  // Seen when none is just being made: it is isolated before it is up, not at once.
  settle();
  std::istringstream ports(Net::sh("ip -d -o link show master " + bridge()));
  int isolated = 0;
  for (std::string port; std::getline(ports, port); ++isolated) {
    EXPECT_NE(port.find("isolated on"), std::string::npos) << port;
  }
  EXPECT_GE(isolated, 2);
}

TEST_F(NatTest, AFunctionCannotChangeItsNetwork) {
  start();
  const Probe p = probe("a");
  std::istringstream lines(ask(p.socket_path, "abuse/networks"));
  int tried = 0;
  for (std::string line; std::getline(lines, line); ++tried) {
    const std::string error = line.substr(line.find('=') + 1);
    EXPECT_TRUE(error == "EPERM" || error == "ENOSYS" ||
                (line.starts_with("spoof=") && error != "ok"))
        << line;
  }
  EXPECT_GT(tried, 15);
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic)) << "all is as it was";
  // IPv6 is off but for its loopback.
  const std::string v6 = ask(p.socket_path, "cat/proc/net/if_inet6");
  EXPECT_EQ(v6.find("eth0"), std::string::npos) << v6;
}

TEST_F(NatTest, BandwidthIsLimitedBothWays) {
  sandboxer_->settings.nat.bandwidth = 12'500'000;
  start();
  probe("a");
  std::istringstream ports(
      Net::sh("ip -o link show master " + bridge() + " | cut -d: -f2 | cut -d@ -f1"));
  int limited = 0;
  for (std::string port; std::getline(ports, port); ++limited) {
    const std::string shown = Net::sh("tc qdisc show dev " + port);
    EXPECT_NE(shown.find("tbf"), std::string::npos) << shown;
    EXPECT_NE(shown.find("rate 100Mbit"), std::string::npos) << shown;
  }
  EXPECT_GE(limited, 1);
  const std::string pid = std::to_string(sandboxer_->pid());
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  std::string child;
  ASSERT_TRUE(children >> child);
  const std::string shown = Net::sh("nsenter -t " + child + " -n tc qdisc show dev eth0");
  EXPECT_NE(shown.find("rate 100Mbit"), std::string::npos) << shown;
}

TEST_F(NatTest, ANetworkIsReusedWithAnotherAddressAndNothingLeaks) {
  sandboxer_->settings.pooled_networks = 4;
  start();
  std::set<std::string> addresses;
  settle();
  const auto count_links = [&] {
    return std::stoul(Net::sh("ip -o link show master " + bridge() + " | wc -l"));
  };
  constexpr int kLives = 40;
  for (int i = 0; i < kLives; ++i) {
    const Probe p = probe("p" + std::to_string(i));
    EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic)) << i;
    addresses.insert(ask(p.socket_path, "address"));
    ASSERT_TRUE(client_->call(MessageType::kDestroy, SandboxRequest{p.id}).status.ok());
  }
  EXPECT_EQ(addresses.size(), static_cast<size_t>(kLives)) << "none twice while there are others";
  settle();
  EXPECT_LE(count_links(), 4u + 1u);
  // Of a /16, but for those that are kept and prepared.
  const auto stats = client_->stats();
  EXPECT_EQ(stats.free_addresses + count_links(), 65536u - 3u);
}

TEST_F(NatTest, WhenAllAddressesAreInUseItIsSaid) {
  Ipv4Range& subnet = sandboxer_->settings.nat.subnet;
  ASSERT_TRUE(parse_range("10.9.9.0/29", subnet));
  sandboxer_->settings.prepared = 0;
  start();
  std::vector<Probe> probes;
  for (int i = 0; i < 5; ++i) probes.push_back(probe("p" + std::to_string(i)));
  const Probe none = create_probe(*client_, *sandboxer_, "none");
  EXPECT_EQ(none.status.code(), sdk::StatusCode::kResourceExhausted);
  EXPECT_NE(none.status.message().find("plugin.process.nat.subnet"), std::string::npos);
  EXPECT_NE(none.status.message().find("10.9.9.0/29"), std::string::npos);
  ASSERT_TRUE(client_->call(MessageType::kDestroy, SandboxRequest{probes[0].id}).status.ok());
  EXPECT_EQ(tcp(probe("again"), Net::kPublic), seen(Net::kPublic));
  sandboxer_->quiet = false;
}

TEST_F(NatTest, ConnectionsOfASandboxAreCounted) {
  start();
  const Probe p = probe("a");
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  const std::string table = Net::sh("nft list tables | grep -o 'berth_[^ ]*' | tr -d '\\n'");
  const std::string flows = Net::sh("nft list set inet " + table + " flows");
  EXPECT_NE(flows.find(ask(p.socket_path, "address") + " ct count over 4096"), std::string::npos)
      << flows;
}

TEST_F(NatTest, SettingsThatFailLeaveTheOldOnesInForce) {
  start();
  const Probe p = probe("a");
  Settings bad = sandboxer_->settings;
  bad.nat.deny = {rule(Net::kPublic)};
  bad.runtimes_directory = "/nowhere/at/all";
  EXPECT_FALSE(client_->call(MessageType::kConfigure, bad).status.ok());
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic)) << "its rules are not in force";
  EXPECT_EQ(tcp(probe("b"), Net::kPublic), seen(Net::kPublic));
}

TEST_F(NatTest, AddressesInUseAreNotHandedOutInALargerSubnet) {
  Ipv4Range& subnet = sandboxer_->settings.nat.subnet;
  ASSERT_TRUE(parse_range("10.9.9.0/29", subnet));
  start();
  const Probe p = probe("a");
  std::set<std::string> addresses{ask(p.socket_path, "address")};
  ASSERT_TRUE(parse_range("10.9.9.0/28", subnet));
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_->settings).status.ok());
  for (int i = 0; i < 5; ++i) {
    const Probe other = probe("p" + std::to_string(i));
    EXPECT_TRUE(addresses.insert(ask(other.socket_path, "address")).second) << i;
    EXPECT_EQ(tcp(other, Net::kPublic), seen(Net::kPublic)) << i;
  }
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
}

TEST_F(NatTest, AnOrdinaryUsersBandwidthIsLimitedBothWays) {
  BERTH_REQUIRE(have("slirp4netns"), "needs the package slirp4netns");
  BERTH_REQUIRE(::access("/dev/net/tun", F_OK) == 0, "needs /dev/net/tun");
  begin_as(kOrdinary);
  sandboxer_->settings.nat.bandwidth = 12'500'000;
  start();
  probe("a");
  // Sandboxes and those prepared; its helpers are in no network of theirs.
  const std::string rules =
      Net::sh("for child in $(pgrep -P " + std::to_string(sandboxer_->pid()) +
              "); do nsenter -t $child -n nft list ruleset 2>/dev/null; done; :");
  const auto limited = [&](const char* what) {
    const size_t at = rules.find(what);
    return at != std::string::npos &&
           rules.find("limit rate over 12500000 bytes/second", at) != std::string::npos;
  };
  EXPECT_TRUE(limited("chain out_limit")) << rules;
  EXPECT_TRUE(limited("chain in_limit")) << rules;
}

TEST_F(NatTest, AnOrdinaryUserHasTheSameByAHelper) {
  BERTH_REQUIRE(have("slirp4netns"), "needs the package slirp4netns");
  BERTH_REQUIRE(::access("/dev/net/tun", F_OK) == 0, "needs /dev/net/tun");
  begin_as(kOrdinary);
  sandboxer_->settings.nat.allow = {rule("10.1.0.0/16"), rule("5.6.7.9:80")};
  sandboxer_->settings.nat.deny = {rule("1.2.3.4")};
  start();
  const Probe a = probe("a"), b = probe("b");
  EXPECT_EQ(tcp(a, Net::kPublic), seen(Net::kPublic));
  EXPECT_EQ(tcp(a, "10.1.2.3"), seen("10.1.2.3")) << "allowed";
  EXPECT_NE(tcp(a, Net::kOtherHostAddress).find(" 5.6.7.9"), std::string::npos) << "allowed";
  for (const char* to : {"10.2.3.4", "172.16.5.5", "192.168.77.1", "100.64.1.1", "169.254.169.254",
                         "1.2.3.4", Net::kHostAddress, "10.0.2.2"}) {
    EXPECT_EQ(tcp(a, to), kRefused) << to;
  }
  EXPECT_EQ(tcp(a, "10.0.2.2", 81), kRefused) << "the host's loopback by the helper's gateway";
  EXPECT_EQ(udp(a, Net::kNameServer), Net::kNameServer);
  EXPECT_EQ(udp(a, Net::kPublic), "EPERM") << "as the kernel tells a refused datagram";
  EXPECT_EQ(ask(b.socket_path, "serve/7000"), "serving");
  EXPECT_EQ(tcp(a, "10.0.2.100", 7000), "ECONNREFUSED") << "this is itself, not the other";
  std::istringstream lines(ask(a.socket_path, "abuse/networks"));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(line.find("=ok"), std::string::npos) << line;
  }
  const std::string pid = std::to_string(sandboxer_->pid());
  const auto helpers = [&] {
    return Net::sh("ps -e -o uid=,comm= | grep slirp4netns | grep -c " + std::to_string(kOrdinary) +
                   "; :");
  };
  EXPECT_NE(helpers(), "0\n");
  ::kill(sandboxer_->pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return helpers() == "0\n"; })) << "a kill takes them along";
}

}  // namespace berth::process::test
