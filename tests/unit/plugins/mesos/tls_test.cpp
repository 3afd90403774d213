// SPDX-License-Identifier: Apache-2.0
// Masters and agents behind TLS.
#include "../support/test_pki.hpp"
#include "mesos_fixture.hpp"

namespace berth::plugin {
namespace {

using ::testing::HasSubstr;

class MesosTls : public MesosPlugin {
 protected:
  void simulate_tls(const testing::TestPki& pki, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--tls", pki.server_certificate + ":" + pki.server_key});
    simulate(std::move(options));
  }
  static std::string table(const std::string& ca, const std::string& name) {
    return R"(,"backoff_max":"200ms","tls":{"ca":")" + ca + R"(","server_name":")" + name + "\"}";
  }
};

TEST_F(MesosTls, ContainersAndTheirLogsComeThroughIt) {
  const testing::TestPki pki(root_.string(), "mesos.test");
  simulate_tls(pki, {"--masters", "2"});
  ASSERT_TRUE(simulator_->masters().at(0).starts_with("https://"));
  const auto opened = open(table(pki.ca, "mesos.test"));
  ASSERT_TRUE(opened) << opened.error().to_string();
  const auto made = create();
  ASSERT_TRUE(made) << made.error().to_string();
  simulator_->control(R"({"do":"write_log","task":")" + made->id + R"(","text":"hello\n"})");
  const auto batch = await(factory().read_logs(made->id, "", 1 << 20, later()));
  ASSERT_TRUE(batch) << batch.error().to_string();
  ASSERT_EQ(batch->records.size(), 1u) << "from an agent";
  EXPECT_EQ(batch->records[0].bytes, "hello");
  // The next leader is found by a redirect, which names no scheme.
  simulator_->control(R"({"do":"leader_change","pause":0.01})");
  EXPECT_TRUE(create(request("second")));
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
}

TEST_F(MesosTls, RefusesAMasterThatAnotherAuthorityVouchesFor) {
  const auto other = root_ / "other";
  std::filesystem::create_directories(other);
  const testing::TestPki pki(root_.string(), "mesos.test");
  const testing::TestPki strangers(other.string(), "mesos.test");
  simulate_tls(pki);
  for (const std::string& settings :
       {table(strangers.ca, "mesos.test"), table(pki.ca, "another.test")}) {
    const auto opened = open(settings + R"(,"start_timeout":"1s")");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), StatusCode::kPermissionDenied) << opened.error().to_string();
    EXPECT_THAT(opened.error().to_string(), HasSubstr("certificate"));
    close();
  }
}

}  // namespace
}  // namespace berth::plugin
