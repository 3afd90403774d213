// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_directory.hpp"

#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

class PluginDirectoryTest : public test::PluginFiles {
 protected:
  PluginDirectory scan() {
    auto scanned = PluginDirectory::scan(directory());
    EXPECT_TRUE(scanned) << scanned.error().to_string();
    return std::move(*scanned);
  }
};

TEST_F(PluginDirectoryTest, ListsByFileNameAndIgnoresTheRest) {
  put("newer_minor");
  put("good");
  put("wrong_abi");
  put("good", "libgood.so");
  put("good", "libberth_good.so.bak");
  test::write_all(directory() / "README", "drop plugins here");
  const PluginDirectory scanned = scan();
  ASSERT_EQ(scanned.plugins().size(), 3u);
  EXPECT_EQ(scanned.plugins()[0].name, "good");
  EXPECT_TRUE(scanned.plugins()[0].status.ok());
  EXPECT_EQ(scanned.plugins()[0].manifest->version, "1.2.3");
  EXPECT_EQ(scanned.plugins()[0].sha256.size(), 64u);
  EXPECT_EQ(scanned.plugins()[1].name, "newer-minor");
  EXPECT_EQ(scanned.plugins()[2].name, "wrong-abi");
  EXPECT_FALSE(scanned.plugins()[2].status.ok());
  EXPECT_FALSE(code_ran());
}

TEST_F(PluginDirectoryTest, OneBadFileDoesNotHarmTheOthers) {
  put("good");
  test::write_all(directory() / "libberth_broken.so", "");
  EXPECT_TRUE(scan().load("good"));
  EXPECT_FALSE(scan().load("broken"));
}

TEST_F(PluginDirectoryTest, AnUnknownNameListsTheKnownOnes) {
  put("good");
  put("newer_minor");
  const auto plugin = scan().load("docker");
  ASSERT_FALSE(plugin);
  EXPECT_EQ(plugin.error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(test::has_all(plugin.error().message(),
                            {"there is no plugin docker in " + directory().string(),
                             "there are: good, newer-minor", "libberth_docker.so"}));
}

TEST_F(PluginDirectoryTest, AMissingDirectoryIsNotFound) {
  const auto scanned = PluginDirectory::scan(root() / "nowhere");
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(test::has_all(scanned.error().message(), {"nowhere", "Mend: "}));
}

TEST_F(PluginDirectoryTest, AFileThatOnlyClaimsANameDoesNotHideWhy) {
  put("wrong_abi");
  put("good", "libberth_better.so");
  const PluginDirectory scanned = scan();
  EXPECT_TRUE(test::has_all(scanned.load("wrong-abi").error().message(), {"rule 'abi'"}));
  EXPECT_TRUE(test::has_all(scanned.load("good").error().message(),
                            {"libberth_better.so", "rename it to libberth_good.so"}));
}

TEST_F(PluginDirectoryTest, LoadExaminesTheFileAsItIsNow) {
  const auto file = put("good");
  const PluginDirectory scanned = scan();
  test::write_all(file, "overwritten after the scan");
  const auto plugin = scanned.load("good");
  ASSERT_FALSE(plugin);
  EXPECT_TRUE(test::has_all(plugin.error().message(), {"rule 'elf'", "not an ELF file"}));
}

TEST_F(PluginDirectoryTest, ChecksSettingsWithoutLoading) {
  put("configured");
  const PluginDirectory scanned = scan();
  EXPECT_TRUE(scanned.check_config("configured", R"({"ttl": 3, "token": "t"})").ok());
  const Status status = scanned.check_config("configured", R"({"ttl": "3"})");
  EXPECT_EQ(status.message(),
            "plugin.configured.ttl (JSON pointer \"/ttl\") must be an integer, but is text");
  EXPECT_FALSE(scanned.check_config("missing", "{}").ok());
  const auto schema = scanned.config_schema("configured");
  ASSERT_TRUE(schema);
  EXPECT_TRUE(schema->is_secret("/token"));
  EXPECT_FALSE(code_ran());
}

}  // namespace
}  // namespace berth::plugin
