// SPDX-License-Identifier: Apache-2.0
#include "support/base64.hpp"

#include <gtest/gtest.h>

#include "support/http/basic_auth.hpp"

namespace berth::support {
namespace {

TEST(PluginBase64, ComesBack) {
  for (const std::string text : {"", "f", "fo", "foo", "\xff\xfe\xfd"}) {
    EXPECT_EQ(base64_decode(base64_encode(text, Base64::kUrl)), text);
    EXPECT_EQ(base64_decode(base64_encode(text)), text);
  }
  EXPECT_EQ(base64_encode("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_encode("\xff\xff\xff", Base64::kUrl), "____");
  EXPECT_EQ(base64_encode("\xff\xff\xff"), "////");
  EXPECT_EQ(base64_decode("a%b"), std::nullopt);
}

// The example of RFC 7617, section 2.
TEST(PluginBasicAuth, IsTheStandardsExample) {
  EXPECT_EQ(http::basic_auth("Aladdin", "open sesame"),
            "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

}  // namespace
}  // namespace berth::support
