// SPDX-License-Identifier: Apache-2.0
// Certificates: what is not ours, not for that name, or not valid any more gets neither the token
// nor the logs.
#include "test_pki.hpp"
#include "with_splunk.hpp"

namespace berth::conformance {
namespace {

class SplunkTls : public ::testing::Test {
 protected:
  void start(const std::string& name, long valid_s = 3600) {
    pki_ = std::make_unique<berth::testing::TestPki>(plugin_.root(), name, valid_s);
    splunk_ = std::make_unique<test::TestSplunk>(std::vector<std::string>{
        "--tls-cert", pki_->server_certificate, "--tls-key", pki_->server_key});
  }
  void open(const std::string& more) {
    const auto instance = plugin_.open(test::splunk_config(*splunk_, more));
    ASSERT_TRUE(instance) << instance.error().to_string();
    store_ = (*instance)->log_store();
    ASSERT_TRUE(await(store_->start(later())));
    ASSERT_TRUE(await(store_->append({new_activation_id(), "guest", "", "", "", 1, 2},
                                     {{plugin::Stream::kStdout, 1, 0, "x"}}, true, later())));
  }
  double metric(const std::string& name) {
    const std::string text = plugin_.metrics();
    const std::string key = "\nberth_plugin_splunk_" + name + " ";
    const std::size_t at = text.find(key);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + key.size()));
  }
  void expect_shipped() {
    EXPECT_TRUE(eventually([&] { return metric("batches_total") == 1; }));
  }
  // Neither way in nor way out.
  void expect_refused() {
    EXPECT_TRUE(eventually([&] { return metric("retries_total") >= 2; }));
    EXPECT_EQ(metric("batches_total"), 0);
    const auto page =
        await(store_->fetch({new_activation_id(), "guest", "", "", "", 1, 2}, "", 1000, later()));
    ASSERT_FALSE(page);
    EXPECT_EQ(page.error().code(), StatusCode::kPermissionDenied) << page.error().to_string();
  }
  std::string ca() const { return R"("ca_file":")" + pki_->ca + "\""; }

  PluginUnderTest plugin_{BERTH_SPLUNK_PLUGIN};
  std::unique_ptr<berth::testing::TestPki> pki_;
  std::unique_ptr<test::TestSplunk> splunk_;
  plugin::LogStore* store_ = nullptr;
};

TEST_F(SplunkTls, ACertificateOfOurAuthorityForThatName) {
  start("splunk.test");
  open(ca() + R"(,"server_name":"splunk.test")");
  expect_shipped();
}

TEST_F(SplunkTls, ACertificateForAnotherName) {
  start("other.test");
  open(ca() + R"(,"server_name":"splunk.test")");
  expect_refused();
}

TEST_F(SplunkTls, AnAuthorityThatIsNotKnown) {
  start("splunk.test");
  open(R"("server_name":"splunk.test")");
  expect_refused();
}

TEST_F(SplunkTls, AnExpiredCertificate) {
  start("splunk.test", -60);
  open(ca() + R"(,"server_name":"splunk.test")");
  expect_refused();
}

TEST_F(SplunkTls, OnlyTheWordSwitchesChecksOff) {
  start("other.test", -60);
  open(R"("tls_verify":"off-and-insecure")");
  expect_shipped();
}

}  // namespace
}  // namespace berth::conformance
