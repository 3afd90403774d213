// SPDX-License-Identifier: Apache-2.0
#include "base/config.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>

namespace berth::config {
namespace {

using testing::HasSubstr;

const std::vector<Key> kKeys = {
    {"data_dir", Type::kString, "\"/tmp/x\"", "Where everything is kept."},
    {"http.listen", Type::kString, "\"127.0.0.1:3233\"", "Address."},
    {"http.max_connections", Type::kInteger, "100", "How many.", 1, 1000},
    {"http.idle_timeout", Type::kDuration, "\"70s\"", "How long.", 1000, 600'000},
    {"containers.memory", Type::kSize, "\"1GB\"", "How much.", 1024 * 1024},
    {"containers.on_stop",
     Type::kString,
     "\"detach\"",
     "What then.",
     INT64_MIN,
     INT64_MAX,
     {"detach", "kill"}},
    {"logs.plugins", Type::kStringList, "[\"file\"]", "Which."},
    {"record", Type::kBoolean, "true", "Whether."},
};

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "berth-config-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~ConfigTest() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& content) {
    const std::string path = (directory_ / "berth.toml").string();
    std::ofstream(path) << content;
    return path;
  }
  std::string error_of(Sources sources) {
    const auto document = Document::load(kKeys, sources);
    return document ? "" : document.error().message();
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigTest, DefaultsHoldWithoutAnySource) {
  const auto document = Document::load(kKeys, {});
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_EQ(document->text("http.listen"), "127.0.0.1:3233");
  EXPECT_EQ(document->integer("http.max_connections"), 100);
  EXPECT_EQ(document->duration("http.idle_timeout"), std::chrono::seconds(70));
  EXPECT_EQ(document->bytes("containers.memory"), 1024ull * 1024 * 1024);
  EXPECT_EQ(document->list("logs.plugins"), std::vector<std::string>{"file"});
  EXPECT_TRUE(document->boolean("record"));
  EXPECT_EQ(document->origin("record"), "default");
}

TEST_F(ConfigTest, EachLayerWinsOverTheOneBelow) {
  Sources sources;
  sources.file = file("[http]\nmax_connections = 2\n");
  EXPECT_EQ(Document::load(kKeys, sources)->integer("http.max_connections"), 2);
  EXPECT_THAT(Document::load(kKeys, sources)->origin("http.max_connections"),
              HasSubstr("berth.toml:2"));
  sources.environment = {{"BERTH_HTTP__MAX_CONNECTIONS", "3"}, {"BERTH_BUILD_DIR", "not ours"}};
  EXPECT_EQ(Document::load(kKeys, sources)->integer("http.max_connections"), 3);
  sources.sets = {"http.max_connections=4"};
  EXPECT_EQ(Document::load(kKeys, sources)->integer("http.max_connections"), 4);
  EXPECT_EQ(Document::load(kKeys, sources)->origin("http.max_connections"),
            "--set http.max_connections");
  sources.sets = {"http.listen=0.0.0.0:1"};
  sources.options = {{"http.listen", "0.0.0.0:2"}};
  EXPECT_EQ(Document::load(kKeys, sources)->text("http.listen"), "0.0.0.0:2");
  EXPECT_EQ(Document::load(kKeys, sources)->origin("http.listen"), "--listen");
}

TEST_F(ConfigTest, BrokenTomlNamesFileLineAndColumn) {
  EXPECT_THAT(error_of({.file = file("[http]\nlisten = \n")}), HasSubstr("berth.toml:2:"));
}

TEST_F(ConfigTest, UnknownKeysAreErrorsWithTheirLineAndAProposal) {
  const std::string error = error_of({.file = file("[http]\nlisten = \"a\"\nlistne = \"b\"\n")});
  EXPECT_THAT(error, HasSubstr("berth.toml:3: unknown key http.listne"));
  EXPECT_THAT(error, HasSubstr("did you mean http.listen?"));
  EXPECT_THAT(error_of({.file = file("[htpp]\n")}),
              HasSubstr("berth.toml:1: unknown section [htpp]"));
  EXPECT_THAT(error_of({.environment = {{"BERTH_HTTP__NOPE", "1"}}}),
              HasSubstr("environment BERTH_HTTP__NOPE: unknown key http.nope"));
}

TEST_F(ConfigTest, WrongTypesAndRangesSayWhatIsExpected) {
  EXPECT_THAT(error_of({.sets = {"http.max_connections=many"}}), HasSubstr("must be an integer"));
  EXPECT_THAT(error_of({.sets = {"http.max_connections=0"}}), HasSubstr("must be from 1 to 1000"));
  EXPECT_THAT(error_of({.sets = {"http.idle_timeout=70"}}), HasSubstr("a duration with its unit"));
  EXPECT_THAT(error_of({.sets = {"containers.memory=12"}}), HasSubstr("a size with its unit"));
  EXPECT_THAT(error_of({.sets = {"containers.on_stop=explode"}}),
              HasSubstr("one of: detach, kill"));
  EXPECT_THAT(error_of({.sets = {"record"}}), HasSubstr("must be KEY=VALUE"));
}

TEST_F(ConfigTest, AllErrorsAreToldAtOnce) {
  const std::string error = error_of({.file = file("a = 1\nb = 2\n")});
  EXPECT_THAT(error, HasSubstr("berth.toml:1"));
  EXPECT_THAT(error, HasSubstr("berth.toml:2"));
}

TEST_F(ConfigTest, PluginTablesAreFreeAndKnowTheirLines) {
  Sources sources;
  sources.file =
      file("[plugin.log-driver]\ndriver = \"splunk\"\n[plugin.log-driver.options]\ntag = 1\n");
  sources.environment = {{"BERTH_PLUGIN__LOG_DRIVER__EXTRA", "[1, 2]"}};
  const auto document = Document::load(kKeys, sources);
  ASSERT_TRUE(document) << document.error().message();
  const auto table = document->plugin("log-driver");
  EXPECT_EQ(table.at("driver"), "splunk");
  EXPECT_EQ(table.at("options").at("tag"), 1);
  EXPECT_EQ(table.at("extra"), (boost::json::array{1, 2}));
  EXPECT_THAT(document->plugin_origin("log-driver", "/options/tag"), HasSubstr("berth.toml:4"));
  EXPECT_THAT(document->plugin_origin("log-driver", "/options/missing"), HasSubstr("berth.toml:3"));
  EXPECT_EQ(document->plugin_origin("log-driver", "/extra"),
            "environment BERTH_PLUGIN__LOG_DRIVER__EXTRA");
}

TEST_F(ConfigTest, PluginKeysWithSlashesHaveEscapedPointers) {
  const auto document =
      Document::load(kKeys, {.file = file("[plugin.process.images]\n\"a/b~c\" = \"python\"\n")});
  ASSERT_TRUE(document) << document.error().message();
  EXPECT_THAT(document->plugin_origin("process", "/images/a~1b~0c"), HasSubstr("berth.toml:2"));
}

TEST_F(ConfigTest, DescribeShowsOriginsAndHidesSecrets) {
  Sources sources;
  sources.sets = {"plugin.splunk.token=hunter2", "plugin.splunk.host=example"};
  const auto document = Document::load(kKeys, sources);
  const std::string text = document->describe({"plugin.splunk.token"});
  EXPECT_THAT(text, HasSubstr("plugin.splunk.host = \"example\"  # --set plugin.splunk.host"));
  EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, HasSubstr("http.listen = \"127.0.0.1:3233\"  # default"));
}

TEST_F(ConfigTest, ReferenceNamesEveryKey) {
  const std::string text = reference(kKeys);
  EXPECT_THAT(text, HasSubstr("[http]"));
  EXPECT_THAT(text, HasSubstr("#max_connections = 100"));
  EXPECT_THAT(text, HasSubstr("# One of: detach, kill."));
}

TEST(Units, AreParsedWholeOrNotAtAll) {
  EXPECT_EQ(parse_duration_ms("250ms"), 250);
  EXPECT_EQ(parse_duration_ms("2h"), 7'200'000);
  EXPECT_EQ(parse_size("512KB"), 512 * 1024);
  EXPECT_EQ(parse_size("2 GB"), 2ll * 1024 * 1024 * 1024);
  for (const char* bad : {"", "s", "10", "10x", "-1s", "1.5s", "99999999999999d"}) {
    EXPECT_FALSE(parse_duration_ms(bad)) << bad;
  }
}

}  // namespace
}  // namespace berth::config
