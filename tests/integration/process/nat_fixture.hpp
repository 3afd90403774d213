// SPDX-License-Identifier: Apache-2.0
// A sandboxer with network = "nat" on a host and an internet of the test's own.
#pragma once

#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "harness.hpp"
#include "protocol/ipv4.hpp"
#include "small_internet.hpp"

namespace berth::process::test {

using Net = SmallInternet;

// What a refused connection gets at once.
inline constexpr const char* kRefused = "ECONNREFUSED";
inline constexpr const char* kRefusedDatagram = "EHOSTUNREACH";

inline uint32_t address(const char* text) {
  uint32_t value = 0;
  EXPECT_TRUE(parse_ipv4(text, value)) << text;
  return value;
}

inline EgressRule rule(const char* text) {
  EgressRule value;
  EXPECT_TRUE(parse_rule(text, value)) << text;
  return value;
}

inline bool have(const char* program) {
  return Net::sh(std::string("command -v ") + program).starts_with("/");
}

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
    begin_as(0);
  }
  void TearDown() override {
    client_.reset();
    sandboxer_.reset();
    if (internet_ == nullptr) return;
    EXPECT_TRUE(eventually([] { return Net::sh("ip -o link | grep -E ' (berth|bv)'; :").empty(); }))
        << Net::sh("ip -o link");
    EXPECT_EQ(Net::sh("nft list tables | grep berth; :"), "");
  }
  // What start() starts, with the settings that a test then changes.
  void begin_as(uid_t user) {
    sandboxer_ = std::make_unique<Sandboxer>(user);
    sandboxer_->settings.network = Network::kNat;
    sandboxer_->settings.nat.dns = {address(Net::kNameServer)};
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

}  // namespace berth::process::test
