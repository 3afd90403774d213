// SPDX-License-Identifier: Apache-2.0
// libberth_log_driver.so as berthd has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conformance/plugin_under_test.hpp"
#include "plugin/config_schema.hpp"

namespace berth::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(LogDriverPlugin, TellsTheEngineWhereOutputGoes) {
  PluginUnderTest plugin(BERTH_LOG_DRIVER_PLUGIN);
  const auto instance =
      plugin.open(R"({"driver":"syslog","options":{"syslog-address":"udp://127.0.0.1:514"}})");
  ASSERT_TRUE(instance) << instance.error().to_string();
  plugin::LogStore& store = *(*instance)->log_store();
  EXPECT_TRUE(store.out_of_band());
  EXPECT_FALSE(store.can_follow());
  ASSERT_TRUE(await(store.start(later())));
  const auto parameters = await(store.container_parameters(later()));
  ASSERT_TRUE(parameters);
  EXPECT_THAT(*parameters, ElementsAre(Pair("log-driver", "syslog"),
                                       Pair("log-opt", "syslog-address=udp://127.0.0.1:514"),
                                       Pair("log-opt", "tag={{.Name}}")));
  EXPECT_TRUE(await(store.drain(later())));
  EXPECT_TRUE(await(store.stop(later())));
}

TEST(LogDriverPlugin, FetchSaysWhereTheLogsAre) {
  PluginUnderTest plugin(BERTH_LOG_DRIVER_PLUGIN);
  const auto instance = plugin.open(
      R"({"driver":"none","where":"the console","link":"https://logs/?id={activation}"})");
  ASSERT_TRUE(instance) << instance.error().to_string();
  plugin::LogStore& store = *(*instance)->log_store();
  ASSERT_TRUE(await(store.start(later())));
  const plugin::ActivationRef ref{new_activation_id(), "guest", new_uuid(), "guest/a", "", 1, 2};
  const auto page = await(store.fetch(ref, "", 1000, later()));
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code(), StatusCode::kUnimplemented);
  EXPECT_FALSE(page.error().retryable());
  EXPECT_THAT(page.error().message(), HasSubstr("Logs are not available here"));
  EXPECT_THAT(page.error().message(), HasSubstr("the console"));
  EXPECT_THAT(page.error().message(), HasSubstr("https://logs/?id=" + ref.activation_id));
  EXPECT_FALSE(await(store.append(ref, {}, true, later())));
}

TEST(LogDriverPlugin, WhatIsMissingIsSaidAtOpen) {
  PluginUnderTest plugin(BERTH_LOG_DRIVER_PLUGIN);
  const auto instance = plugin.open(R"({"driver":"gelf"})");
  ASSERT_FALSE(instance);
  EXPECT_THAT(instance.error().message(), HasSubstr("gelf-address"));
}

TEST(LogDriverPlugin, ItsSchemaRefusesWhatMakesNoSense) {
  PluginUnderTest plugin(BERTH_LOG_DRIVER_PLUGIN);
  const auto schema = plugin::ConfigSchema::parse(plugin.manifest().config_schema);
  ASSERT_TRUE(schema) << schema.error().to_string();
  EXPECT_TRUE(schema->check(R"({"driver":"gelf","options":{"a":"b"}})", "plugin").ok());
  for (const char* bad : {"{}", R"({"driver":"a b"})", R"({"driver":"x","options":{"a":1}})",
                          R"({"driver":"x","link":"javascript:1"})", R"({"driver":"x","y":1})"}) {
    EXPECT_FALSE(schema->check(bad, "plugin").ok()) << bad;
  }
}

}  // namespace
}  // namespace berth::conformance
