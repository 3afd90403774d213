// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <gtest/gtest.h>

#include "berth/sdk/promise.hpp"

namespace berth::log_driver {
namespace {

std::string refusal(const char* config) {
  try {
    Settings::parse(config);
    return "";
  } catch (const sdk::Error& error) {
    EXPECT_EQ(error.status().code(), sdk::StatusCode::kInvalidArgument);
    return error.status().message();
  }
}

std::string option(const Settings& settings, const std::string& name) {
  for (const auto& [key, value] : settings.options) {
    if (key == name) return value;
  }
  return "(none)";
}

TEST(LogDriverSettings, ADriverThatKnowsLabelsAndTagsGetsThem) {
  const Settings gelf =
      Settings::parse(R"({"driver":"gelf","options":{"gelf-address":"udp://graylog:12201"}})");
  EXPECT_EQ(option(gelf, "gelf-address"), "udp://graylog:12201");
  EXPECT_EQ(option(gelf, "labels-regex"), "berth");
  EXPECT_EQ(option(gelf, "tag"), "{{.Name}}");
}

TEST(LogDriverSettings, WhatTheOperatorSaysWins) {
  const Settings settings =
      Settings::parse(R"({"driver":"journald","options":{"tag":"fn","labels":"a,b"}})");
  EXPECT_EQ(option(settings, "tag"), "fn");
  EXPECT_EQ(option(settings, "labels"), "a,b");
  EXPECT_EQ(option(settings, "labels-regex"), "(none)");
}

// An option that a driver does not know makes every container fail.
TEST(LogDriverSettings, ADriverThatKnowsNeitherGetsNeither) {
  for (const char* driver : {"none", "local", "example/driver:1"}) {
    const Settings settings =
        Settings::parse(std::string(R"({"driver":")").append(driver).append("\"}"));
    EXPECT_TRUE(settings.options.empty()) << driver;
  }
}

TEST(LogDriverSettings, WhatADriverNeedsIsAskedForAtOnce) {
  EXPECT_NE(refusal("{}").find("driver must be given"), std::string::npos);
  EXPECT_NE(refusal(R"({"driver":"gelf"})").find("gelf-address"), std::string::npos);
  EXPECT_NE(
      refusal(R"({"driver":"splunk","options":{"splunk-url":"https://x"}})").find("splunk-token"),
      std::string::npos);
  EXPECT_NE(refusal(R"({"driver":"none","link":"https://x/{activaton}"})").find("{activaton}"),
            std::string::npos);
}

}  // namespace
}  // namespace berth::log_driver
