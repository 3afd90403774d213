// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <gtest/gtest.h>

#include "splunk_support.hpp"

namespace berth::splunk {
namespace {

std::string refusal(const std::string& config) {
  try {
    Settings::parse(config, "/data", "b1");
    return "";
  } catch (const sdk::Error& error) {
    return error.status().message();
  }
}

TEST(SplunkSettings, HasDefaults) {
  const Settings settings = settings_with();
  EXPECT_EQ(settings.mode, Mode::kHec);
  EXPECT_EQ(settings.host, "b1");
  EXPECT_EQ(settings.spool.directory, "/tmp");
  EXPECT_TRUE(settings.tls.verify);
  EXPECT_TRUE(settings.collector.gzip);
  EXPECT_FALSE(settings.collector.acknowledge);
}

TEST(SplunkSettings, EveryModeHasWhatItNeeds) {
  EXPECT_NE(refusal("{}").find("hec_url"), std::string::npos);
  EXPECT_NE(refusal(R"({"hec_url":"http://h"})").find("hec_token"), std::string::npos);
  EXPECT_NE(refusal(R"({"mode":"docker-driver","hec_url":"http://h","hec_token":"t"})")
                .find("search_url"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"mode":"stdout-json"})").find("search_url"), std::string::npos);
  EXPECT_EQ(refusal(R"({"mode":"stdout-json","search_url":"http://h","search_token":"t"})"), "");
}

TEST(SplunkSettings, OneWayToLogIn) {
  const std::string common = R"({"mode":"stdout-json","search_url":"http://h")";
  EXPECT_NE(refusal(common + "}").find("search_token"), std::string::npos);
  EXPECT_EQ(refusal(common + R"(,"search_username":"u","search_password":"p"})"), "");
  EXPECT_NE(refusal(common + R"(,"search_username":"u","search_token":"t"})"), "");
}

TEST(SplunkSettings, ChecksAreOnlySwitchedOffByTheWord) {
  EXPECT_FALSE(settings_with(R"("tls_verify":"off-and-insecure")").tls.verify);
  EXPECT_TRUE(settings_with(R"("tls_verify":"full")").tls.verify);
}

TEST(SplunkSettings, AFieldsNameCannotHoldASearch) {
  for (const char* bad : {"a b", "a|delete", "", "a\"b", "a'b"}) {
    const std::string quoted = std::string(bad) == "a\"b" ? "a\\\"b" : bad;
    EXPECT_NE(
        refusal(R"({"hec_url":"http://h","hec_token":"t","message_field":")" + quoted + "\"}"), "")
        << bad;
  }
  EXPECT_EQ(settings_with(R"("message_field":"line.msg")").fields.message, "line.msg");
}

}  // namespace
}  // namespace berth::splunk
