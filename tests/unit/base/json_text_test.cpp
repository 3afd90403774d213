// SPDX-License-Identifier: Apache-2.0
#include "base/json_text.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace berth {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, PlainTextIsQuotedAsItIs) {
  EXPECT_EQ(as_json(""), "\"\"");
  EXPECT_EQ(as_json("guest/echo"), "\"guest/echo\"");
  EXPECT_EQ(as_json("\x7f é"), "\"\x7f é\"");
}

TEST(JsonText, EscapesWhereverTheyStand) {
  EXPECT_EQ(as_json(std::string_view("\0x", 2)), R"("\u0000x")");
  EXPECT_EQ(as_json("a\"b\\c\n\r\t\x1f"), R"("a\"b\\c\n\r\t\u001f")");
  // Far into a text, too.
  EXPECT_EQ(as_json(std::string(100, 'a') + '"'), '"' + std::string(100, 'a') + "\\\"\"");
}

TEST(JsonText, Numbers) {
  std::string out = "[";
  append_number(out, std::numeric_limits<std::int64_t>::min());
  append_number(out.append(","), 0);
  EXPECT_EQ(out, "[-9223372036854775808,0");
}

}  // namespace
}  // namespace berth
