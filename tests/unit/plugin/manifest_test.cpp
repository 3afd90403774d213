// SPDX-License-Identifier: Apache-2.0
#include "plugin/manifest.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

namespace json = boost::json;

json::object good_note() {
  return json::parse(
             R"({"name": "log-driver", "id": "org.example.log-driver", "version": "1.2.0-rc1",
      "abi": "1.0", "provides": ["berth.log-store/1", "berth.log-follow/1"], "needs": ["berth.log/1"],
      "flags": ["log-store-out-of-band"], "config_schema": {"type": "object"}})")
      .as_object();
}

// The detail and mend with which the good note is refused after one key was changed (null:
// removed).
std::string refusal_with(std::string_view key, const char* value) {
  json::object note = good_note();
  if (value) {
    note[key] = json::parse(value);
  } else {
    note.erase(key);
  }
  const auto manifest = parse_manifest(json::serialize(note));
  if (manifest) return "accepted";
  return manifest.error().rule + ": " + manifest.error().detail + " / " + manifest.error().mend;
}

TEST(Manifest, ReadsEveryField) {
  const auto manifest = parse_manifest(json::serialize(good_note()));
  ASSERT_TRUE(manifest) << manifest.error().detail;
  EXPECT_EQ(manifest->name, "log-driver");
  EXPECT_EQ(manifest->id, "org.example.log-driver");
  EXPECT_EQ(manifest->version, "1.2.0-rc1");
  EXPECT_EQ(manifest->abi, (AbiVersion{1, 0}));
  EXPECT_TRUE(manifest->has_interface("berth.log-store/1"));
  EXPECT_FALSE(manifest->has_interface("berth.container-factory/1"));
  EXPECT_EQ(manifest->needs, std::vector<std::string>{"berth.log/1"});
  EXPECT_TRUE(manifest->has_flag("log-store-out-of-band"));
  EXPECT_EQ(manifest->config_schema, R"({"type":"object"})");
}

TEST(Manifest, IgnoresWhatANewerMinorVersionMayAdd) {
  json::object note = good_note();
  note["licence"] = "Apache-2.0";
  EXPECT_TRUE(parse_manifest(json::serialize(note)));
}

TEST(Manifest, EveryFieldIsNeeded) {
  for (const char* key :
       {"name", "id", "version", "abi", "provides", "needs", "flags", "config_schema"}) {
    EXPECT_EQ(refusal_with(key, nullptr),
              "note: the note has no \"" + std::string(key) +
                  "\" / add it (see berth/plugin/note.h), then build the plugin again");
  }
}

TEST(Manifest, EachFaultHasItsOwnMessage) {
  using test::has_all;
  EXPECT_TRUE(
      has_all(refusal_with("name", "\"Log\""), {"has the name \"Log\"", "[a-z][a-z0-9-]*"}));
  EXPECT_TRUE(has_all(refusal_with("name", "\"\""), {"has the name \"\""}));
  EXPECT_TRUE(has_all(refusal_with("name", "\"a_b\""), {"has the name \"a_b\""}));
  EXPECT_TRUE(has_all(refusal_with("name", "7"), {"has a \"name\" that is not text"}));
  EXPECT_TRUE(has_all(refusal_with("id", "\"echo\""), {"has the id \"echo\"", "reverse DNS"}));
  EXPECT_TRUE(has_all(refusal_with("id", "\"org..echo\""), {"has the id"}));
  EXPECT_TRUE(has_all(refusal_with("id", "\"org.7up\""), {"has the id"}));
  EXPECT_TRUE(
      has_all(refusal_with("version", "\"v1\""), {"has the version \"v1\"", "e.g. \"1.2.0\""}));
  EXPECT_TRUE(has_all(refusal_with("abi", "\"1\""), {"has the abi \"1\"", "MAJOR.MINOR"}));
  EXPECT_TRUE(has_all(refusal_with("abi", "\"01.0\""), {"has the abi \"01.0\""}));
  EXPECT_TRUE(has_all(refusal_with("abi", "\"1.0.0\""), {"has the abi"}));
  EXPECT_TRUE(has_all(refusal_with("provides", "[]"), {"provides no interface"}));
  EXPECT_TRUE(has_all(refusal_with("provides", "\"x\""), {"not an array"}));
  EXPECT_TRUE(has_all(refusal_with("provides", "[\"berth.log-store\"]"),
                      {"has \"berth.log-store\" in \"provides\"", "interface ids"}));
  EXPECT_TRUE(has_all(refusal_with("provides", "[\"a.b/1\", \"a.b/1\"]"), {"has a.b/1 twice"}));
  EXPECT_TRUE(has_all(refusal_with("needs", "[\"berth.log/0\"]"), {"in \"needs\"", "service ids"}));
  EXPECT_TRUE(has_all(refusal_with("flags", "[\"fast\"]"),
                      {"has \"fast\" in \"flags\"", "log-store-out-of-band"}));
  EXPECT_TRUE(has_all(refusal_with("config_schema", "[]"),
                      {"config_schema that is no usable schema", "the root: is not an object"}));
  EXPECT_TRUE(has_all(refusal_with("config_schema", R"({"properties": {"a": {"type": "text"}}})"),
                      {"/properties/a/type: is not a type's name"}));
}

TEST(Manifest, AnotherMajorVersionIsNamedEvenIfTheRestHasChanged) {
  const auto manifest = parse_manifest(R"({"abi": "3.1", "names": ["a"]})");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().rule, "abi");
  EXPECT_TRUE(test::has_all(manifest.error().detail, {"built for ABI 3.1"}));
}

TEST(Manifest, RefusesWhatIsNoObject) {
  const auto refusal = [](std::string_view text) { return parse_manifest(text).error().detail; };
  EXPECT_TRUE(test::has_all(refusal("[]"), {"is not a JSON object"}));
  EXPECT_TRUE(test::has_all(refusal(""), {"is not valid JSON"}));
  EXPECT_TRUE(test::has_all(refusal("{} {}"), {"is not valid JSON"}));
  EXPECT_TRUE(test::has_all(refusal("{\"name\": \"\xff\"}"), {"is not valid JSON"}));
  EXPECT_TRUE(
      test::has_all(refusal(std::string(65537, ' ')), {"has 65537 bytes, more than 65536"}));
}

TEST(Manifest, NamesAndFileNames) {
  EXPECT_TRUE(is_plugin_name("a"));
  EXPECT_TRUE(is_plugin_name("log-driver2"));
  for (const char* bad : {"", "2a", "-a", "A", "a_b", "a.b", "a/b"}) {
    EXPECT_FALSE(is_plugin_name(bad)) << bad;
  }
  EXPECT_TRUE(is_plugin_name(std::string(32, 'a')));
  EXPECT_FALSE(is_plugin_name(std::string(33, 'a')));
  EXPECT_EQ(plugin_file_name("log-driver"), "libberth_log_driver.so");
  EXPECT_EQ(plugin_name_of_file("libberth_log_driver.so"), "log-driver");
  for (const char* bad :
       {"libberth_.so", "libberth_a-b.so", "libberth_a", "berth_a.so", "libberth.so"}) {
    EXPECT_EQ(plugin_name_of_file(bad), "") << bad;
  }
}

}  // namespace
}  // namespace berth::plugin
