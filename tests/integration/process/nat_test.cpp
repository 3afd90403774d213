// SPDX-License-Identifier: Apache-2.0
// network = "nat": what sandboxes reach and what not, on a host and an internet of the test's own.
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <thread>
#include <unistd.h>

#include "harness.hpp"
#include "protocol/ipv4.hpp"
#include "small_internet.hpp"

namespace berth::process::test {
namespace {

using Net = SmallInternet;

// What a refused connection gets at once.
constexpr const char* kRefused = "ECONNREFUSED";
constexpr const char* kRefusedDatagram = "EHOSTUNREACH";
constexpr uid_t kOrdinary = 12345;

uint32_t address(const char* text) {
  uint32_t value = 0;
  EXPECT_TRUE(parse_ipv4(text, value)) << text;
  return value;
}

EgressRule rule(const char* text) {
  EgressRule value;
  EXPECT_TRUE(parse_rule(text, value)) << text;
  return value;
}

bool have(const char* program) {
  return Net::sh(std::string("command -v ") + program).starts_with("/");
}

}  // namespace

class NatTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (is_root() && have("nft") && have("ip") && have("tc") && have("nsenter")) {
      internet_ = new Net();
    }
  }
  static void TearDownTestSuite() {
    delete internet_;
    internet_ = nullptr;
  }
  void SetUp() override {
    BERTH_REQUIRE(internet_ != nullptr && internet_->ready(),
                  "needs root and the packages nftables and iproute2");
    sandboxer_ = std::make_unique<Sandboxer>();
    sandboxer_->settings.network = Network::kNat;
    sandboxer_->settings.nat.dns = {address(Net::kNameServer)};
  }
  void TearDown() override {
    client_.reset();
    sandboxer_.reset();
    if (internet_ == nullptr) return;
    EXPECT_TRUE(eventually([] { return Net::sh("ip -o link | grep -E ' (berth|bv)'; :").empty(); }))
        << Net::sh("ip -o link");
    EXPECT_EQ(Net::sh("nft list tables | grep berth; :"), "");
  }
  void start() {
    sandboxer_->start();
    client_ = sandboxer_->connect();
    ASSERT_NE(client_, nullptr);
  }
  Probe probe(const std::string& name,
              const std::function<void(CreateRequest&)>& adjust = nullptr) {
    Probe p = create_probe(*client_, *sandboxer_, name, adjust);
    EXPECT_TRUE(p.status.ok()) << p.status.to_string() << sandboxer_->log();
    return p;
  }
  static std::string tcp(const Probe& p, const std::string& to, int port = 80) {
    return ask(p.socket_path, "tcp/" + to + "/" + std::to_string(port));
  }
  static std::string udp(const Probe& p, const std::string& to, int port = 53) {
    return ask(p.socket_path, "udp/" + to + "/" + std::to_string(port));
  }
  // What a server behind `to` says: it sees the host.
  static std::string seen(const std::string& to) {
    return std::string(Net::kHostAddress) + " " + to;
  }
  std::string bridge() const {
    std::ifstream in(sandboxer_->data() + "/sandboxer.nat");
    std::string name;
    std::getline(in, name);
    return name;
  }
  void settle() {
    EXPECT_TRUE(eventually([&] {
      const auto s = client_->stats();
      return s.removing == 0 && s.leaving_networks == 0 &&
             s.prepared == sandboxer_->settings.prepared;
    }));
  }

  static inline Net* internet_ = nullptr;
  std::unique_ptr<Sandboxer> sandboxer_;
  std::unique_ptr<Client> client_;
};

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

TEST_F(NatTest, WhatAKilledOneLeftIsRemovedByTheNext) {
  start();
  const Probe p = probe("a");
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  const std::string name = bridge();
  ASSERT_FALSE(name.empty());
  ::kill(sandboxer_->pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return !sandboxer_->running(); }));
  EXPECT_NE(Net::sh("ip -o link show " + name).find(name), std::string::npos) << "a kill leaves it";
  EXPECT_NE(Net::sh("nft list tables").find("berth_test"), std::string::npos);
  sandboxer_->settings.network = Network::kNone;
  sandboxer_->settings.prepared = 0;
  sandboxer_->start();
  EXPECT_NE(Net::sh("ip -o link show " + name).find("(failed)"), std::string::npos);
  EXPECT_EQ(Net::sh("nft list tables").find("berth_test"), std::string::npos);
  EXPECT_TRUE(eventually([] { return Net::sh("ip -o link | grep ' bv'; :").empty(); }));
}

TEST_F(NatTest, ItsEndRemovesAllThoughTheMarkerIsGone) {
  start();
  probe("a");
  const std::string name = bridge();
  EXPECT_NE(Net::sh("ip -o link show " + name).find(name), std::string::npos);
  EXPECT_EQ(::unlink((sandboxer_->data() + "/sandboxer.nat").c_str()), 0);
  // TearDown looks for what is left.
}

TEST_F(NatTest, AHostThatDropsWhatItForwardsIsOpenedForSandboxesOnly) {
  ASSERT_EQ(Net::sh("nft 'table ip filter { chain FORWARD { type filter hook forward priority "
                    "filter; policy drop; counter; }; }'"),
            "");
  start();
  const Probe p = probe("a");
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  const std::string name = bridge();
  EXPECT_NE(Net::sh("nft list chain ip filter FORWARD").find(name), std::string::npos);
  client_.reset();
  sandboxer_.reset();
  const std::string left = Net::sh("nft list chain ip filter FORWARD");
  EXPECT_EQ(left.find(name), std::string::npos) << left;
  EXPECT_NE(left.find("policy drop"), std::string::npos) << left;
  EXPECT_EQ(Net::sh("nft delete table ip filter"), "");
}

TEST_F(NatTest, RulesThatOthersRemoveAreWrittenAgain) {
  start();
  sandboxer_->quiet = false;
  const Probe p = probe("a");
  const auto remove = [] {
    EXPECT_EQ(Net::sh("nft delete table inet $(nft list tables | grep -o 'berth_[^ ]*')"), "");
  };
  remove();
  // The same settings again, as a berthd that is restarted brings them.
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_->settings).status.ok());
  EXPECT_NE(Net::sh("nft list tables").find("berth_test"), std::string::npos);
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  // And without being told.
  remove();
  EXPECT_TRUE(eventually(
      [] { return Net::sh("nft list tables").find("berth_test") != std::string::npos; }));
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  EXPECT_EQ(tcp(p, Net::kHostAddress), kRefused);
  EXPECT_EQ(tcp(p, Net::kPublic), seen(Net::kPublic));
  // A part of it only.
  const std::string table = Net::sh("nft list tables | grep -o 'berth_[^ ]*' | tr -d '\\n'");
  EXPECT_EQ(Net::sh("nft flush chain inet " + table + " from_sandboxes"), "");
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("10.0.0.0/8 goto") != std::string::npos;
  })) << sandboxer_->log();
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  // A host that drops what it forwards from now on, as one does on which Docker is started.
  ASSERT_EQ(Net::sh("nft 'table ip filter { chain FORWARD { type filter hook forward priority "
                    "filter; policy drop; counter; }; }'"),
            "");
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list chain ip filter FORWARD").find(bridge()) != std::string::npos;
  })) << sandboxer_->log()
      << Net::sh("nft list ruleset");
  EXPECT_EQ(tcp(probe("b"), Net::kPublic), seen(Net::kPublic));
  EXPECT_NE(sandboxer_->log().find("written again"), std::string::npos) << sandboxer_->log();
  client_.reset();
  sandboxer_.reset();
  EXPECT_EQ(Net::sh("nft delete table ip filter"), "");
}

TEST_F(NatTest, NoNetworkIsMadeWhileItsRulesCannotBeWritten) {
  sandboxer_->settings.prepared = 0;
  start();
  sandboxer_->quiet = false;
  const std::string table = Net::sh("nft list tables | grep -o 'berth_[^ ]*' | tr -d '\\n'");
  // A table of this name that belongs to a program that lives: nobody else may change it.
  const std::string owner =
      Net::sh("(echo 'delete table inet " + table + "; add table inet " + table +
              " { flags owner; }'; exec sleep 40) 2>/dev/null | nft -i >/dev/null 2>&1 & echo $!");
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("flags owner") != std::string::npos;
  })) << owner;
  // One may have been made before.
  create_probe(*client_, *sandboxer_, "made");
  const Probe none = create_probe(*client_, *sandboxer_, "none");
  EXPECT_EQ(none.status.code(), sdk::StatusCode::kFailedPrecondition)
      << none.status.to_string() << sandboxer_->log();
  Net::sh("kill " + owner);
  // With its owner the table goes.
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("from_sandboxes") != std::string::npos;
  })) << sandboxer_->log();
  EXPECT_EQ(tcp(probe("a"), "10.1.2.3"), kRefused);
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

TEST_F(NatTest, AnotherTablesDropIsNamed) {
  ASSERT_EQ(
      Net::sh("nft 'table inet fire { chain forwarded { type filter hook forward priority filter; "
              "policy drop; }; }'"),
      "");
  start();
  const std::string detail = client_->stats().enforcement.detail;
  EXPECT_NE(detail.find("inet fire forwarded"), std::string::npos) << detail;
  EXPECT_NE(detail.find(bridge()), std::string::npos) << detail;
  EXPECT_EQ(Net::sh("nft delete table inet fire"), "");
}

TEST_F(NatTest, TwoOfThemShareAHost) {
  start();
  Sandboxer other;
  other.settings = sandboxer_->settings;
  other.settings.runtimes_directory = other.runtimes();
  other.start();
  auto second = other.connect();
  ASSERT_NE(second, nullptr);
  const Probe a = probe("a");
  const Probe b = create_probe(*second, other, "b");
  ASSERT_TRUE(b.status.ok()) << b.status.to_string();
  EXPECT_EQ(tcp(a, Net::kPublic), seen(Net::kPublic));
  EXPECT_EQ(tcp(b, Net::kPublic), seen(Net::kPublic));
  const std::string at_b = ask(b.socket_path, "address");
  EXPECT_TRUE(at_b.starts_with("10.232.")) << at_b;
  EXPECT_EQ(ask(b.socket_path, "serve/7000"), "serving");
  EXPECT_EQ(tcp(a, at_b, 7000), kRefused);
  // The second's end leaves the first alone.
  second->call(MessageType::kShutdown, Shutdown{true});
  second.reset();
  EXPECT_TRUE(eventually([&] { return !other.running(); }));
  EXPECT_EQ(tcp(a, Net::kPublic), seen(Net::kPublic));
}

TEST_F(NatTest, TwoThatStartAtOnceChooseDifferentSubnets) {
  Sandboxer other;
  other.settings = sandboxer_->settings;
  other.settings.runtimes_directory = other.runtimes();
  sandboxer_->start();
  other.start();
  std::unique_ptr<Client> second;
  std::thread thread([&] { second = other.connect(); });
  client_ = sandboxer_->connect();
  thread.join();
  ASSERT_NE(client_, nullptr);
  ASSERT_NE(second, nullptr);
  const Probe a = probe("a");
  const Probe b = create_probe(*second, other, "b");
  ASSERT_TRUE(b.status.ok()) << b.status.to_string();
  const std::string at_a = ask(a.socket_path, "address"), at_b = ask(b.socket_path, "address");
  EXPECT_NE(at_a.substr(0, 7), at_b.substr(0, 7)) << at_a << " " << at_b;
  EXPECT_EQ(tcp(a, Net::kPublic), seen(Net::kPublic));
  EXPECT_EQ(tcp(b, Net::kPublic), seen(Net::kPublic));
  second->call(MessageType::kShutdown, Shutdown{true});
  second.reset();
  EXPECT_TRUE(eventually([&] { return !other.running(); }));
}

TEST_F(NatTest, WhatTheHostLacksIsSaid) {
  const auto refusal = [&] {
    auto client = sandboxer_->connect_plain();
    if (client == nullptr) return std::string("cannot connect");
    client->call(MessageType::kHello, Hello{});
    const auto answer = client->call(MessageType::kConfigure, sandboxer_->settings).status;
    EXPECT_EQ(answer.code(), sdk::StatusCode::kFailedPrecondition) << answer.to_string();
    return answer.message();
  };
  sandboxer_->start();
  // It would end with the last of its clients.
  const auto kept = sandboxer_->connect_plain();
  std::ofstream("/proc/sys/net/ipv4/ip_forward") << "0";
  EXPECT_NE(refusal().find("enable_forwarding"), std::string::npos) << refusal();
  EXPECT_EQ(Net::sh("nft list tables"), "") << "nothing is begun";
  Ipv4Range& subnet = sandboxer_->settings.nat.subnet;
  ASSERT_TRUE(parse_range("5.6.0.0/16", subnet));
  EXPECT_NE(refusal().find("up0"), std::string::npos) << refusal();
  subnet = {};
  sandboxer_->settings.nat.enable_forwarding = true;
  client_ = sandboxer_->connect();
  ASSERT_NE(client_, nullptr);
  EXPECT_EQ(tcp(probe("a"), Net::kPublic), seen(Net::kPublic));
}

TEST_F(NatTest, AnOrdinaryUserHasTheSameByAHelper) {
  BERTH_REQUIRE(have("slirp4netns"), "needs the package slirp4netns");
  BERTH_REQUIRE(::access("/dev/net/tun", F_OK) == 0, "needs /dev/net/tun");
  Sandboxer ordinary(kOrdinary);
  ordinary.settings.network = Network::kNat;
  ordinary.settings.nat.dns = {address(Net::kNameServer)};
  ordinary.settings.nat.allow = {rule("10.1.0.0/16"), rule("5.6.7.9:80")};
  ordinary.settings.nat.deny = {rule("1.2.3.4")};
  ordinary.start();
  client_ = ordinary.connect();
  ASSERT_NE(client_, nullptr);
  const auto made = [&](const char* name) {
    Probe p = create_probe(*client_, ordinary, name);
    EXPECT_TRUE(p.status.ok()) << p.status.to_string() << ordinary.log();
    return p;
  };
  const Probe a = made("a"), b = made("b");
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
  const std::string pid = std::to_string(ordinary.pid());
  const auto helpers = [&] {
    return Net::sh("ps -e -o uid=,comm= | grep slirp4netns | grep -c " + std::to_string(kOrdinary) +
                   "; :");
  };
  EXPECT_NE(helpers(), "0\n");
  ::kill(ordinary.pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return helpers() == "0\n"; })) << "a kill takes them along";
}

}  // namespace berth::process::test
