// SPDX-License-Identifier: Apache-2.0
// network = "nat" on its host: what it needs of it, leaves on it, and bears of others there.
#include <fstream>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include "nat_fixture.hpp"

namespace berth::process::test {

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

TEST_F(NatTest, TheKernelTellsOfEachChangeOfTheRules) {
  // Sockets of this network that listen to the group of nftables (the protocol is NETFILTER's 12).
  const auto listeners = [] {
    return Net::sh("awk '$2 == 12 && $4 == \"00000040\"' /proc/net/netlink | wc -l");
  };
  const std::string before = listeners();
  start();
  sandboxer_->quiet = false;
  EXPECT_NE(listeners(), before);
  // More changes than are told one by one.
  std::string many;
  for (int i = 0; i < 3000; ++i) many += "add table inet other" + std::to_string(i) + "\n";
  for (int i = 0; i < 3000; ++i) many += "delete table inet other" + std::to_string(i) + "\n";
  std::ofstream(sandboxer_->data() + "/many") << many;
  EXPECT_EQ(Net::sh("nft -f " + sandboxer_->data() + "/many"), "");
  const Probe p = probe("a");
  EXPECT_EQ(Net::sh("nft delete table inet $(nft list tables | grep -o 'berth_[^ ]*')"), "");
  EXPECT_TRUE(eventually(
      [] { return Net::sh("nft list tables").find("berth_test") != std::string::npos; }));
  EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  client_.reset();
  sandboxer_.reset();
  EXPECT_EQ(listeners(), before);
}

// Takes the table for a program that lives: nobody else may change it. The process, with whose end
// the table goes.
std::string seize(const std::string& table) {
  const std::string owner =
      Net::sh("(echo 'delete table inet " + table + "; add table inet " + table +
              " { flags owner; }'; exec sleep 40) 2>/dev/null | nft -i >/dev/null 2>&1 & echo $!");
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("flags owner") != std::string::npos;
  })) << owner;
  return owner;
}

TEST_F(NatTest, WhatWasMadeAheadIsGivenToNobodyWithoutItsRules) {
  start();
  sandboxer_->quiet = false;
  const std::string table = Net::sh("nft list tables | grep -o 'berth_[^ ]*' | tr -d '\\n'");
  for (const char* name : {"a", "b", "c"}) {
    settle();
    EXPECT_EQ(Net::sh("nft delete table inet " + table), "");
    const Probe p = probe(name);
    EXPECT_NE(Net::sh("nft list tables").find(table), std::string::npos) << name;
    EXPECT_EQ(tcp(p, "10.1.2.3"), kRefused);
  }
  settle();
  // Where they cannot be written, by nobody: the table belongs to a program that lives.
  const std::string owner = seize(table);
  const Probe none = create_probe(*client_, *sandboxer_, "none");
  EXPECT_EQ(none.status.code(), sdk::StatusCode::kFailedPrecondition)
      << none.status.to_string() << sandboxer_->log();
  Net::sh("kill " + owner);
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("from_sandboxes") != std::string::npos;
  })) << sandboxer_->log();
  EXPECT_EQ(tcp(probe("d"), "10.1.2.3"), kRefused);
}

TEST_F(NatTest, NoNetworkIsMadeWhileItsRulesCannotBeWritten) {
  sandboxer_->settings.prepared = 0;
  start();
  sandboxer_->quiet = false;
  const std::string table = Net::sh("nft list tables | grep -o 'berth_[^ ]*' | tr -d '\\n'");
  const std::string owner = seize(table);
  // One may have been made before.
  create_probe(*client_, *sandboxer_, "made");
  const Probe none = create_probe(*client_, *sandboxer_, "none");
  EXPECT_EQ(none.status.code(), sdk::StatusCode::kFailedPrecondition)
      << none.status.to_string() << sandboxer_->log();
  Net::sh("kill " + owner);
  EXPECT_TRUE(eventually([&] {
    return Net::sh("nft list table inet " + table).find("from_sandboxes") != std::string::npos;
  })) << sandboxer_->log();
  EXPECT_EQ(tcp(probe("a"), "10.1.2.3"), kRefused);
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

}  // namespace berth::process::test
