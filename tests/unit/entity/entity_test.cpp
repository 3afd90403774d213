// SPDX-License-Identifier: Apache-2.0
// Packages, triggers and rules as JSON and as the store keeps them.
#include "entity/entity.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace berth::entity {
namespace {

namespace json = boost::json;

void name(Entity& entity, const char* text) {
  entity.namespace_name = "guest";
  entity.name = text;
  entity.updated_ms = 17;
  entity.annotations = {{.key = "a", .value = json::value(true)}};
}

template <typename T>
std::shared_ptr<const T> stored_and_read(const T& entity) {
  auto read = deserialize_entity(T::kCollection, serialize(entity));
  EXPECT_TRUE(read) << (read ? "" : read.error().to_string());
  return read ? std::static_pointer_cast<const T>(std::shared_ptr<const Entity>(*read)) : nullptr;
}

TEST(Entity, APackageIsShownAsOpenWhiskDoes) {
  Package package;
  name(package, "demo");
  package.parameters = {{.key = "p", .value = json::value(1)}};
  EXPECT_EQ(json::value(to_json(package)), json::parse(R"({"namespace":"guest","name":"demo",
    "version":"0.0.1","publish":false,"annotations":[{"key":"a","value":true}],"updated":17,
    "binding":{},"parameters":[{"key":"p","value":1}]})"));
  EXPECT_EQ(to_summary(package)["binding"], json::value(false));
  package.binding = PackageName{"other", "lib"};
  EXPECT_EQ(to_json(package)["binding"], json::parse(R"({"namespace":"other","name":"lib"})"));
  EXPECT_EQ(to_summary(package)["binding"], json::parse(R"({"namespace":"other","name":"lib"})"));
  EXPECT_FALSE(to_summary(package).contains("parameters"));
}

TEST(Entity, ATriggerShowsItsRules) {
  Trigger trigger;
  name(trigger, "t");
  EXPECT_FALSE(to_json(trigger).contains("rules"));
  EXPECT_EQ(to_json(trigger)["limits"], json::value(json::object()));
  trigger.rules["guest/r1"] = {"guest/demo/hello", true};
  trigger.rules["guest/r2"] = {"guest/hello", false};
  EXPECT_EQ(to_json(trigger)["rules"], json::parse(R"({
    "guest/r1":{"action":{"path":"guest/demo","name":"hello"},"status":"active"},
    "guest/r2":{"action":{"path":"guest","name":"hello"},"status":"inactive"}})"));
}

TEST(Entity, ARuleNamesTriggerAndAction) {
  Rule rule;
  name(rule, "r");
  rule.trigger = "guest/t";
  rule.action = "guest/demo/hello";
  const json::object shown = to_json(rule);
  EXPECT_EQ(shown.at("trigger"), json::parse(R"({"path":"guest","name":"t"})"));
  EXPECT_EQ(shown.at("action"), json::parse(R"({"path":"guest/demo","name":"hello"})"));
  EXPECT_FALSE(shown.contains("parameters"));
}

TEST(Entity, WhatIsStoredComesBack) {
  Package package;
  name(package, "demo");
  package.version = "1.2.3";
  package.publish = true;
  package.binding = PackageName{"other", "lib"};
  package.parameters = {{.key = "p", .value = json::value("v"), .init = true}};
  const auto same = stored_and_read(package);
  ASSERT_TRUE(same);
  EXPECT_EQ(to_json(*same), to_json(package));
  EXPECT_EQ(same->binding, package.binding);

  Trigger trigger;
  name(trigger, "t");
  trigger.rules["guest/r"] = {"guest/hello", false};
  EXPECT_EQ(to_json(*stored_and_read(trigger)), to_json(trigger));

  Rule rule;
  name(rule, "r");
  rule.trigger = "guest/t";
  rule.action = "guest/hello";
  EXPECT_EQ(to_json(*stored_and_read(rule)), to_json(rule));
}

TEST(Entity, DamageIsTold) {
  for (const char* text : {"", "[]", "{}", R"({"namespace":"guest"})"}) {
    const auto read = deserialize_entity(Collection::kRules, text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code(), StatusCode::kDataLoss);
  }
}

TEST(Entity, MergesParametersByKey) {
  const Parameters under = {{.key = "a", .value = json::value(1), .init = true},
                            {.key = "b", .value = json::value(2)}};
  const Parameters over = {{.key = "c", .value = json::value(3)},
                           {.key = "a", .value = json::value(4)}};
  const Parameters merged = merge(under, over);
  ASSERT_EQ(merged.size(), 3u);
  EXPECT_EQ(merged[0].key, "a");
  EXPECT_EQ(merged[0].value, json::value(4));
  EXPECT_FALSE(merged[0].init);
  EXPECT_EQ(merged[2].key, "c");
}

}  // namespace
}  // namespace berth::entity
