// SPDX-License-Identifier: Apache-2.0
#include "plugin/describe.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.hpp"
#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

using Describe = test::PluginFiles;

TEST_F(Describe, ListsAsATable) {
  put("good");
  put("wrong_abi");
  test::write_all(directory() / "libberth_x.so", "");
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_TRUE(scanned);
  const std::string text = list_text(*scanned);
  EXPECT_TRUE(
      text.starts_with("NAME       VERSION  PROVIDES           FILE                   STATE\n"
                       "good       1.2.3    berth.log-store/1  libberth_good.so       ok\n"
                       "wrong-abi  1.2.3    berth.log-store/1  libberth_wrong_abi.so  refused\n"
                       "x          -        -                  libberth_x.so          refused\n\n"))
      << text;
  EXPECT_TRUE(test::has_all(text, {"libberth_wrong_abi.so: refused by rule 'abi'",
                                   "libberth_x.so: refused by rule 'elf'"}));
  EXPECT_FALSE(code_ran());
}

TEST_F(Describe, SaysThatThereIsNone) {
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_TRUE(scanned);
  EXPECT_EQ(list_text(*scanned), "no plugins (libberth_*.so) in " + directory().string() + "\n");
}

TEST_F(Describe, ListsAsJson) {
  put("good");
  put("no_note");
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_TRUE(scanned);
  const auto value = list_json(*scanned);
  EXPECT_EQ(value.at("directory").as_string(), directory().string());
  const auto& plugins = value.at("plugins").as_array();
  ASSERT_EQ(plugins.size(), 2u);
  EXPECT_EQ(plugins[0].at("name").as_string(), "good");
  EXPECT_EQ(plugins[0].at("state").as_string(), "ok");
  EXPECT_EQ(plugins[0].at("provides").as_array().at(0).as_string(), "berth.log-store/1");
  EXPECT_FALSE(plugins[0].as_object().contains("error"));
  EXPECT_EQ(plugins[1].at("state").as_string(), "refused");
  EXPECT_FALSE(plugins[1].as_object().contains("version"));
  EXPECT_TRUE(test::has_all(std::string(plugins[1].at("error").as_string()), {"rule 'note'"}));
}

TEST_F(Describe, InspectsWithEveryCheckAndSetting) {
  const auto file = put("configured");
  const Examination examination = examine(file);
  const std::string text = inspect_text(examination);
  EXPECT_TRUE(test::has_all(
      text, {"file      " + file.string(), "name      configured\n", "abi       1.0\n",
             "provides  berth.log-store/1\n", "settings of [plugin.configured]:\n  ttl (integer)\n",
             "  token (string), secret\n", "This plugin would be loaded.\n"}));
  for (const char* rule :
       {"directory", "file", "size", "elf", "stack", "relocation", "search-path", "libc", "exports",
        "note", "abi", "name", "interfaces", "services", "entry"}) {
    char line[40];
    std::snprintf(line, sizeof line, "\n  %-12s ok ", rule);
    EXPECT_TRUE(test::has_all(text, {line}));
  }
  EXPECT_FALSE(code_ran());
}

TEST_F(Describe, InspectsARefusedFileToTheEnd) {
  const Examination examination = examine(put("rpath", "libberth_other.so"));
  const std::string text = inspect_text(examination);
  EXPECT_TRUE(test::has_all(text, {"search-path  REFUSED", "mend: link it without -rpath",
                                   "name         REFUSED", "mend: rename it to libberth_rpath.so",
                                   "entry        ok", "This plugin would be refused.\n"}));
  // The first refusal is the one that is reported.
  EXPECT_TRUE(test::has_all(examination.status().message(), {"rule 'search-path'"}));
  const Examination unreadable = examine(directory() / "libberth_nowhere.so");
  EXPECT_TRUE(test::has_all(inspect_text(unreadable),
                            {"file         REFUSED", "No such file", "entry        not checked"}));
}

TEST_F(Describe, InspectsAsJson) {
  const auto value = inspect_json(examine(put("configured")));
  EXPECT_EQ(value.at("state").as_string(), "ok");
  EXPECT_EQ(value.at("manifest").at("id").as_string(), "org.example.zoo");
  EXPECT_TRUE(value.at("manifest").at("config_schema").is_object());
  EXPECT_EQ(value.at("secrets").as_array().at(0).as_string(), "/token");
  EXPECT_EQ(value.at("checks").as_array().size(), 15u);
  EXPECT_EQ(value.at("checks").as_array().at(0).at("verdict").as_string(), "ok");
  EXPECT_EQ(value.at("sha256").as_string().size(), 64u);
  EXPECT_GT(value.at("size").to_number<int>(), 1000);
  const auto refused = inspect_json(examine(put("exec_stack")));
  EXPECT_EQ(refused.at("state").as_string(), "refused");
}

TEST_F(Describe, FileNamesThatAreNoUtf8StayPrintableAndValidJson) {
  test::write_all(directory() / "libberth_\xff\x1b[2J.so", "");
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_TRUE(scanned);
  EXPECT_EQ(list_text(*scanned).find('\x1b'), std::string::npos);
  const auto again = parse_json(boost::json::serialize(list_json(*scanned)));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(
      test::has_all(std::string(again->at("plugins").as_array().at(0).at("file").as_string()),
                    {"libberth_\\xff"}));
}

}  // namespace
}  // namespace berth::plugin
