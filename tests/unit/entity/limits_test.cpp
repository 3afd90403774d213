// SPDX-License-Identifier: Apache-2.0
#include "entity/limits.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "base/json.hpp"

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

}  // namespace
}  // namespace berth::entity
