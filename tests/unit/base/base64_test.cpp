// SPDX-License-Identifier: Apache-2.0
#include "base/base64.hpp"

#include <gtest/gtest.h>
#include <utility>
#include <vector>

namespace berth {
namespace {

TEST(Base64, VectorsOfTheRfc) {
  const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                 {"f", "Zg=="},
                                                                 {"fo", "Zm8="},
                                                                 {"foo", "Zm9v"},
                                                                 {"foob", "Zm9vYg=="},
                                                                 {"fooba", "Zm9vYmE="},
                                                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_TRUE(is_base64(text));
    EXPECT_EQ(base64_decode(text).value(), bytes);
  }
}

TEST(Base64, EveryByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    EXPECT_EQ(base64_decode(base64_encode(bytes.substr(0, size))).value(), bytes.substr(0, size));
  }
}

TEST(Base64, IsStrict) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm 9v",
                           "Zm9v\n", "Zm9-", "Zm9_", "Zm=v", " Zm9v", "Zm9\xc3"}) {
    EXPECT_FALSE(is_base64(text)) << text;
    EXPECT_FALSE(base64_decode(text)) << text;
  }
  EXPECT_EQ(base64_decode("Zm9vY!==").error().message(),
            "is not base64: byte 5 is not of its alphabet");
}

}  // namespace
}  // namespace berth
