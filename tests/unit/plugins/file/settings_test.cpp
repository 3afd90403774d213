// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <gtest/gtest.h>

#include "berth/sdk/promise.hpp"

namespace berth::file {
namespace {

std::string error_of(std::string_view config) {
  try {
    Settings::parse(config, "/data");
  } catch (const sdk::Error& error) {
    EXPECT_EQ(error.status().code(), sdk::StatusCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(Settings, Defaults) {
  const Settings settings = Settings::parse("{}", "/data");
  EXPECT_EQ(settings.directory, "/data");
  EXPECT_EQ(settings.max_file_bytes, 67108864u);
  EXPECT_EQ(settings.max_files, 16u);
  EXPECT_EQ(settings.sync, Sync::kInterval);
  EXPECT_EQ(settings.sync_interval.count(), 1000);
}

TEST(Settings, Given) {
  const Settings settings = Settings::parse(
      R"({"directory":"/logs","max_file_bytes":65536,"max_files":0,"sync":"always","sync_interval_ms":10,)"
      R"("max_queued_bytes":1048576})",
      "/data");
  EXPECT_EQ(settings.directory, "/logs");
  EXPECT_EQ(settings.max_file_bytes, 65536u);
  EXPECT_EQ(settings.max_files, 0u);
  EXPECT_EQ(settings.sync, Sync::kAlways);
  EXPECT_EQ(settings.max_queued_bytes, 1048576u);
}

TEST(Settings, Errors) {
  EXPECT_EQ(error_of("["), "plugin.file must be a table");
  EXPECT_EQ(error_of(R"({"directory":"logs"})"), "plugin.file.directory must be an absolute path");
  EXPECT_EQ(error_of(R"({"sync":"often"})"), "plugin.file.sync must be never, interval or always");
  EXPECT_EQ(error_of(R"({"max_files":-1})"),
            "plugin.file.max_files must be an integer of at least 0");
  EXPECT_EQ(error_of(R"({"max_file_bytes":10})"),
            "plugin.file.max_file_bytes must be an integer of at least 65536");
}

}  // namespace
}  // namespace berth::file
