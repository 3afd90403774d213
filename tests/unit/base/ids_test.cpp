// SPDX-License-Identifier: Apache-2.0
#include "base/ids.hpp"

#include <algorithm>
#include <cctype>
#include <gtest/gtest.h>
#include <set>

namespace berth {
namespace {

TEST(Ids, HaveTheirShapes) {
  EXPECT_TRUE(is_activation_id(new_activation_id()));
  EXPECT_TRUE(is_uuid(new_uuid()));
  EXPECT_EQ(new_uuid()[14], '4');
  for (const std::string& text : {new_transaction_id(), new_secret()}) {
    EXPECT_TRUE(
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c); }));
  }
  EXPECT_EQ(new_transaction_id().size(), 32u);
  EXPECT_EQ(new_secret().size(), 64u);
}

TEST(Ids, DoNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(new_activation_id()).second);
}

TEST(Ids, CheckersRefuseNearMisses) {
  EXPECT_FALSE(is_activation_id(std::string(31, 'a')));
  EXPECT_FALSE(is_activation_id(std::string(32, 'A')));
  EXPECT_FALSE(is_uuid("23bc46b1-71f6-4ed5-8c54-816aa4f8c50"));
  EXPECT_FALSE(is_uuid("23bc46b1x71f6-4ed5-8c54-816aa4f8c502"));
}

TEST(ConstantTimeEqual, ComparesWholeTexts) {
  EXPECT_TRUE(constant_time_equal("secret", "secret"));
  EXPECT_FALSE(constant_time_equal("secret", "secreT"));
  EXPECT_FALSE(constant_time_equal("secret", "secre"));
  EXPECT_TRUE(constant_time_equal("", ""));
}

}  // namespace
}  // namespace berth
