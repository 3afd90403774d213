// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <gmock/gmock.h>

namespace berth {
namespace {

TEST(ParseJson, TakesOneWholeValue) {
  EXPECT_EQ(parse_json(R"({"a":[1]})")->at("a").at(0), 1);
  EXPECT_FALSE(parse_json("{} {}"));
  EXPECT_FALSE(parse_json(""));
}

TEST(ParseJson, ErrorsNameLineAndColumn) {
  EXPECT_THAT(parse_json("{\n  \"a\": }").error().message(), testing::HasSubstr("line 2, column"));
}

TEST(ParseJson, BoundsItsDepth) {
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(parse_json(std::string(100'000, '[')));
}

TEST(JsonQuote, EscapesWhatMustBe) {
  EXPECT_EQ(json_quote("a\"b\n"), R"("a\"b\n")");
}

}  // namespace
}  // namespace berth
