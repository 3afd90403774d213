// SPDX-License-Identifier: Apache-2.0
#include "entity/limits.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::entity {
namespace {

Result<Limits> parse(std::string_view text, const Limits& base = {}) {
  return parse_limits(parse_json(text).value(), base, LimitBounds());
}

TEST(Limits, AbsentOnesKeepTheirValue) {
  const Limits base{1000, 512, 3, 1};
  EXPECT_EQ(parse("{}", base).value(), base);
  EXPECT_EQ(parse(R"({"memory":null,"timeout":2000})", base).value(), (Limits{2000, 512, 3, 1}));
  EXPECT_EQ(parse(R"({"timeout":100,"memory":128,"logs":0,"concurrency":1,"instances":3})").value(),
            (Limits{100, 128, 0, 1}));
  EXPECT_EQ(parse(R"({"timeout":3e5,"memory":512.0,"logs":10})").value(),
            (Limits{300'000, 512, 10, 1}));
}

TEST(Limits, OutOfBoundsInOpenWhisksWords) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"({"memory":64})", "memory size 64 MB below allowed threshold of 128 MB"},
      {R"({"memory":600})", "memory size 600 MB exceeds allowed threshold of 512 MB"},
      {R"({"timeout":400000})",
       "duration 400000 milliseconds exceeds allowed threshold of 300000 milliseconds"},
      {R"({"timeout":99})", "duration 99 milliseconds below allowed threshold of 100 milliseconds"},
      {R"({"logs":11})", "log size 11 MB exceeds allowed threshold of 10 MB"},
      {R"({"logs":-1})", "log size -1 MB below allowed threshold of 0 MB"},
      {R"({"concurrency":5})", "concurrency 5 exceeds allowed threshold of 1"},
      {R"({"concurrency":0})", "concurrency 0 below allowed threshold of 1"},
  };
  for (const auto& [json, text] : cases) {
    const auto limits = parse(json);
    ASSERT_FALSE(limits) << json;
    EXPECT_EQ(limits.error().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(limits.error().message(), text);
  }
}

TEST(Limits, WrongTypesAreNamedByTheirPointer) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"({"memory":"256"})", "/limits/memory: must be an integer"},
      {R"({"timeout":1.5})", "/limits/timeout: must be an integer"},
      {R"({"logs":true})", "/limits/logs: must be an integer"},
      {R"({"memory":18446744073709551615})", "/limits/memory: must be an integer"},
      {R"({"memory":1e300})", "/limits/memory: must be an integer"},
      {R"([])", "/limits: must be an object"},
  };
  for (const auto& [json, text] : cases) {
    const auto limits = parse(json);
    ASSERT_FALSE(limits) << json;
    EXPECT_EQ(limits.error().message(), text);
  }
}

TEST(Limits, AreCheckedAgainWhenBoundsChange) {
  LimitBounds bounds;
  EXPECT_TRUE(check_limits(Limits(), bounds).ok());
  bounds.memory_mb.max = 128;
  EXPECT_EQ(check_limits(Limits(), bounds).message(),
            "memory size 256 MB exceeds allowed threshold of 128 MB");
}

TEST(Limits, Json) {
  EXPECT_EQ(boost::json::serialize(to_json(Limits())),
            R"({"timeout":60000,"memory":256,"logs":10,"concurrency":1})");
}

TEST(NamespaceLimits, AreReadOverWhatIsThere) {
  NamespaceLimits base;
  base.kept_activations = 7;
  base.fires_per_minute = 3;
  const auto limits = parse_namespace_limits(
      parse_json(R"({"maxActionTimeout":1000,"firesPerMinute":null,"maxPayloadSize":1e3})").value(),
      base);
  ASSERT_TRUE(limits) << limits.error().to_string();
  EXPECT_EQ(limits->kept_activations, 7);
  EXPECT_EQ(limits->fires_per_minute, std::nullopt);
  EXPECT_EQ(limits->max_timeout_ms, 1000);
  EXPECT_EQ(limits->max_payload_bytes, 1000);
  EXPECT_EQ(parse_namespace_limits(to_json(*limits), {}).value(), *limits);
  EXPECT_EQ(
      parse_namespace_limits(parse_json(R"({"maxActionLogs":"x"})").value(), {}).error().message(),
      "/maxActionLogs: must be an integer");
  EXPECT_EQ(
      parse_namespace_limits(parse_json(R"({"allowedKinds":[1]})").value(), {}).error().message(),
      "/allowedKinds/0: must be a string");
}

TEST(NamespaceLimits, BerthsOwnActionsAreOfNoKindThatMayBeForbidden) {
  NamespaceLimits limits;
  EXPECT_TRUE(limits.allows_kind("python:3.11"));
  limits.allowed_kinds = std::vector<std::string>{"nodejs:20"};
  EXPECT_TRUE(limits.allows_kind("nodejs:20"));
  EXPECT_TRUE(limits.allows_kind("builtin"));
  EXPECT_FALSE(limits.allows_kind("python:3.11"));
}

TEST(NamespaceLimits, NarrowTheBoundsAndNeverWidenThem) {
  const LimitBounds system;
  EXPECT_EQ(narrow(system, nullptr).memory_mb.max, 512);
  NamespaceLimits own;
  own.max_memory_mb = 200;
  own.max_timeout_ms = 10'000'000;
  own.min_timeout_ms = 1;
  own.max_payload_bytes = 1;
  own.max_parameters_bytes = 1ll << 40;
  const LimitBounds bounds = narrow(system, &own);
  EXPECT_EQ(bounds.memory_mb.max, 200);
  EXPECT_EQ(bounds.memory_mb.standard, 200) << "the default must be allowed";
  EXPECT_EQ(bounds.memory_mb.min, 128);
  EXPECT_EQ(bounds.timeout_ms.max, system.timeout_ms.max);
  EXPECT_EQ(bounds.timeout_ms.min, system.timeout_ms.min);
  EXPECT_EQ(bounds.max_payload_bytes, 1u);
  EXPECT_EQ(bounds.max_parameters_bytes, system.max_parameters_bytes);
  EXPECT_TRUE(own.allows_kind("any"));
  own.allowed_kinds = {"python:3.11"};
  EXPECT_TRUE(own.allows_kind("python:3.11"));
  EXPECT_FALSE(own.allows_kind("nodejs:20"));
}

}  // namespace
}  // namespace berth::entity
