// SPDX-License-Identifier: Apache-2.0
#include "entity/image_name.hpp"

#include <gtest/gtest.h>

namespace berth::entity {
namespace {

TEST(ImageName, Parts) {
  const auto name = ImageName::parse("registry.example:5000/team/action-x:1.2_3").value();
  EXPECT_EQ(name.repository, "registry.example:5000/team/action-x");
  EXPECT_EQ(name.tag, "1.2_3");
  EXPECT_EQ(name.text(), "registry.example:5000/team/action-x:1.2_3");
  EXPECT_EQ(ImageName::parse("localhost:5000/a").value().tag, "");
}

TEST(ImageName, TheDigestIsDropped) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  EXPECT_EQ(ImageName::parse("a/b:c" + digest).value().text(), "a/b:c");
  EXPECT_EQ(ImageName::parse("a/b" + digest).value().text(), "a/b");
}

TEST(ImageName, TakesWhatEnginesTake) {
  for (const char* text : {"a", "busybox", "a/b", "a/b/c", "a.b/c", "a__b", "a_b", "a--b", "a.b",
                           "0/1:2", "localhost/x", "HOST.example/x", "a:Tag-1.0"}) {
    EXPECT_TRUE(ImageName::parse(text)) << text;
  }
}

TEST(ImageName, RefusesWhatEnginesRefuse) {
  for (const char* text : {"",       "A",           "a/B",          "/a",          "a/",
                           "a//b",   "a:",          ":a",           "a b",         "-a",
                           "a-",     "a..b",        "a___b",        "a._b",        "a:b:c",
                           "a@b",    "a@sha256:12", "a:-x",         "host:port/x", "host:999999/x",
                           "-x.y/a", "a;rm -rf",    "--privileged", "a\n",         "../x",
                           "x..y/a"}) {
    EXPECT_FALSE(ImageName::parse(text)) << text;
  }
  EXPECT_FALSE(ImageName::parse("a:" + std::string(129, 't')));
  EXPECT_FALSE(ImageName::parse(std::string(600, 'a')));
}

TEST(ImageName, NoTagIsLatest) {
  const auto same = [](const char* a, const char* b) {
    return ImageName::parse(a).value().same_image(ImageName::parse(b).value());
  };
  EXPECT_TRUE(same("a/b", "a/b:latest"));
  EXPECT_TRUE(same("a/b:1", "a/b:1"));
  EXPECT_FALSE(same("a/b", "a/b:1"));
  EXPECT_FALSE(same("a/b", "r.x/a/b"));
}

}  // namespace
}  // namespace berth::entity
