// SPDX-License-Identifier: Apache-2.0
#include "entity/runtimes.hpp"

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <gtest/gtest.h>

#include "base/files.hpp"

namespace berth::entity {
namespace {

constexpr const char* kExample = R"({"runtimes": {
  "nodejs": [
    {"kind": "nodejs:18", "image": {"prefix": "openwhisk", "name": "action-nodejs-v18", "tag": "nightly"},
     "deprecated": true},
    {"kind": "NodeJS:20", "default": true,
     "image": {"registry": "host:5000", "prefix": "openwhisk", "name": "action-nodejs-v20"},
     "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"},
     "stemCells": [{"initialCount": 2, "memory": "256 MB",
                    "reactive": {"minCount": 1, "maxCount": 4, "ttl": "2 minutes", "threshold": 1,
                                 "increment": 1}},
                   {"count": 1, "memory": "1 GB"}]}],
  "java": [{"kind": "java:8", "image": {"name": "java8action"}, "requireMain": true,
            "sentinelledLogs": false}]},
  "blackboxes": [{"prefix": "openwhisk", "name": "dockerskeleton", "tag": "nightly"}, {"name": "plain"}]})";

// The manifest with one runtime of family x, whose members are `members`.
std::string one(const std::string& members) {
  return R"({"runtimes":{"x":[{"kind":"x:1","image":{"name":"i"},)" + members + "}]}}";
}

std::string error_of(const std::string& text) {
  const auto manifest = RuntimesManifest::parse(text);
  return manifest ? "" : manifest.error().message();
}

TEST(Runtimes, Parse) {
  const auto manifest = RuntimesManifest::parse(kExample);
  ASSERT_TRUE(manifest) << manifest.error().to_string();
  ASSERT_EQ(manifest->runtimes().size(), 3u);
  const Runtime* node = manifest->find("nodejs:20");
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->image, "host:5000/openwhisk/action-nodejs-v20");
  EXPECT_TRUE(node->is_default);
  EXPECT_TRUE(node->attached);
  ASSERT_EQ(node->stem_cells.size(), 2u);
  EXPECT_EQ(node->stem_cells[0].initial_count, 2);
  EXPECT_EQ(node->stem_cells[0].memory_mb, 256);
  ASSERT_TRUE(node->stem_cells[0].reactive);
  EXPECT_EQ(node->stem_cells[0].reactive->ttl_ms, 120'000);
  EXPECT_EQ(node->stem_cells[1].memory_mb, 1024);
  EXPECT_FALSE(node->stem_cells[1].reactive);
  const Runtime* java = manifest->find("java:default");
  ASSERT_NE(java, nullptr);
  EXPECT_TRUE(java->is_default) << "one alone is its family's default";
  EXPECT_TRUE(java->require_main);
  EXPECT_FALSE(java->sentinelled_logs);
  EXPECT_TRUE(manifest->find("nodejs:18")->deprecated);
}

TEST(Runtimes, KindsAreFoundWithoutCase) {
  const auto manifest = RuntimesManifest::parse(kExample).value();
  EXPECT_EQ(manifest.find("NODEJS:20"), manifest.find("nodejs:20"));
  EXPECT_EQ(manifest.find("nodejs:default")->kind, "nodejs:20");
  EXPECT_EQ(manifest.find("NodeJS:Default")->kind, "nodejs:20");
  for (const char* kind :
       {"", "nodejs", "nodejs:", ":default", "default", "nodejs:21", "ruby:default"}) {
    EXPECT_EQ(manifest.find(kind), nullptr) << kind;
  }
  EXPECT_EQ(manifest.kinds_text(), "'java:8', 'nodejs:18', 'nodejs:20'");
}

TEST(Runtimes, KnownBlackboxes) {
  const auto manifest = RuntimesManifest::parse(kExample).value();
  EXPECT_TRUE(manifest.is_known_blackbox("openwhisk/dockerskeleton:nightly"));
  EXPECT_FALSE(manifest.is_known_blackbox("openwhisk/dockerskeleton"));
  EXPECT_TRUE(manifest.is_known_blackbox("plain:latest"));
  EXPECT_FALSE(manifest.is_known_blackbox("evil/dockerskeleton:nightly"));
  EXPECT_FALSE(manifest.is_known_blackbox(""));
}

TEST(Runtimes, InfoDocument) {
  const auto json = RuntimesManifest::parse(kExample).value().to_json();
  EXPECT_EQ(boost::json::serialize(json.at("java")),
            R"([{"kind":"java:8","image":"java8action","deprecated":false,"default":true,)"
            R"("attached":false,"requireMain":true}])");
  EXPECT_EQ(json.at("nodejs").as_array().size(), 2u);
}

TEST(Runtimes, StartUpErrors) {
  const std::string two = R"({"runtimes":{"x":[{"kind":"x:1","image":{"name":"i"}%},)"
                          R"({"kind":"x:2","image":{"name":"i"}%}]}})";
  const auto with = [&](std::string_view first, std::string_view second) {
    std::string text = two;
    text.replace(text.find('%'), 1, first);
    text.replace(text.find('%'), 1, second);
    return error_of(text);
  };
  EXPECT_EQ(with("", ""), R"(/runtimes/x: has no default: give one of its kinds "default": true)");
  EXPECT_EQ(with(R"(,"default":true)", R"(,"default":true)"),
            "/runtimes/x: has 2 defaults: leave one");
  EXPECT_EQ(with(R"(,"default":true)", ""), "");

  EXPECT_NE(error_of("{").find("line 1"), std::string::npos);
  EXPECT_EQ(error_of("[]"), "/: must be an object with runtimes");
  EXPECT_EQ(error_of("{}"), "/: has no runtimes");
  EXPECT_EQ(error_of(R"({"runtimes":{"a/b":{}}})"), "/runtimes/a~1b: must be an array of kinds");
  EXPECT_EQ(error_of(R"({"runtimes":{"x":[]}})"), "/runtimes/x: has no kind");
  EXPECT_EQ(error_of(R"({"runtimes":{"x":[{}]}})"), "/runtimes/x/0: has no kind");
  EXPECT_EQ(error_of(R"({"runtimes":{"x":[{"kind":"x:1"}]}})"), "/runtimes/x/0: has no image");
  EXPECT_EQ(error_of(R"({"runtimes":{"x":[{"kind":"blackbox","image":"i"}]}})"),
            "/runtimes/x/0/kind: 'blackbox' cannot be the name of a kind");
  EXPECT_EQ(
      error_of(R"({"runtimes":{"x":[{"kind":"k","image":"i"}],"y":[{"kind":"K","image":"i"}]}})"),
      "/runtimes/y/0/kind: 'k' is there twice");
  EXPECT_EQ(error_of(R"({"runtimes":{"x":[{"kind":"k","image":{"tag":"t"}}]}})"),
            "/runtimes/x/0/image: has no name");
  EXPECT_NE(error_of(R"({"runtimes":{"x":[{"kind":"k","image":{"name":"A b"}}]}})")
                .find("/runtimes/x/0/image: 'A b' is not an image name"),
            std::string::npos);
  EXPECT_EQ(error_of(one(R"("default":1)")), "/runtimes/x/0/default: must be true or false");
  EXPECT_EQ(error_of(R"({"runtimes":{},"blackboxes":{}})"),
            "/blackboxes: must be an array of images");
}

TEST(Runtimes, StemCellErrors) {
  const auto cell = [](const std::string& members) {
    return error_of(one(R"("stemCells":[{)" + members + "}]"));
  };
  const std::string where = "/runtimes/x/0/stemCells/0";
  EXPECT_EQ(cell(R"("initialCount":1,"memory":"128 MB")"), "");
  EXPECT_EQ(cell(R"("initialCount":1,"memory":"128m")"), "");
  EXPECT_EQ(cell(R"("memory":"128 MB")"), where + ": has no initialCount");
  EXPECT_EQ(cell(R"("initialCount":1)"), where + ": has no memory");
  EXPECT_EQ(cell(R"("initialCount":0,"memory":"128 MB")"),
            where + "/initialCount: must be between 1 and 10000");
  EXPECT_EQ(cell(R"("count":-3,"memory":"128 MB")"), where + "/count: must be between 1 and 10000");
  for (const char* memory : {"\"\"", "\"x\"", "\"256\"", "\"-1 MB\"", "\"0 MB\"", "\"1 TB\"",
                             "\"99999999999999999999 MB\"", "\"9000000000000000000 GB\""}) {
    EXPECT_EQ(cell(std::string(R"("initialCount":1,"memory":)") + memory),
              where + R"(/memory: must be a memory size like "256 MB", of at most 1024 GB)")
        << memory;
  }
  const auto reactive = [&](const std::string& members) {
    return cell(R"("initialCount":1,"memory":"1 GB","reactive":{)" + members + "}");
  };
  EXPECT_EQ(reactive(R"("minCount":0,"maxCount":1,"ttl":"1 h","threshold":1,"increment":1)"), "");
  EXPECT_EQ(reactive(R"("minCount":3,"maxCount":2,"ttl":"1 h","threshold":1,"increment":1)"),
            where + "/reactive/minCount: must be between 0 and 2");
  EXPECT_EQ(reactive(R"("minCount":1,"maxCount":0,"ttl":"1 h","threshold":1,"increment":1)"),
            where + "/reactive/maxCount: must be between 1 and 10000");
  EXPECT_EQ(reactive(R"("minCount":1,"maxCount":2,"ttl":"0 s","threshold":1,"increment":1)"),
            where + R"(/reactive/ttl: must be a duration above zero like "2 minutes")");
  EXPECT_EQ(reactive(R"("minCount":1,"maxCount":2,"ttl":"1 s","threshold":0,"increment":1)"),
            where + "/reactive/threshold: must be between 1 and 2147483647");
  EXPECT_EQ(reactive(R"("minCount":1,"maxCount":2,"ttl":"1 s","threshold":1,"increment":3)"),
            where + "/reactive/increment: must be between 1 and 2");
}

TEST(Runtimes, OursIsValid) {
  const char* source = std::getenv("BERTH_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "BERTH_SOURCE_DIR is not set: run by ctest";
  const auto text = read_file(std::string(source) + "/packaging/runtimes.json");
  ASSERT_TRUE(text) << text.error().to_string();
  const auto manifest = RuntimesManifest::parse(*text);
  ASSERT_TRUE(manifest) << manifest.error().to_string();
  EXPECT_EQ(manifest->find("python:default")->kind, "python:3.11");
  EXPECT_EQ(manifest->find("native:1")->image, "berth/action-native");
  EXPECT_TRUE(manifest->is_known_blackbox("openwhisk/dockerskeleton"));
}

}  // namespace
}  // namespace berth::entity
