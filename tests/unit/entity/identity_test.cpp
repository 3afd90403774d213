// SPDX-License-Identifier: Apache-2.0
#include "entity/identity.hpp"

#include <gtest/gtest.h>
#include <string>

namespace berth::entity {
namespace {

TEST(EntityName, TakesWhatOpenWhiskTakes) {
  for (const char* name :
       {"a", "_", "0", "hello", "a b", "a@b.c", "R&D", "x-y", "a-", "a@", "a&", "a.", "23bc46b1"}) {
    EXPECT_TRUE(is_entity_name(name)) << name;
  }
  EXPECT_TRUE(is_entity_name(std::string(256, 'a')));
}

TEST(EntityName, RefusesWhatOpenWhiskRefuses) {
  for (const char* name : {"", " ", " a", "a ", "-a", ".a", "@a", "&a", "a/b", "a\nb", "a\n", "a$",
                           "\xc3\xa4", "a\tb", "a%"}) {
    EXPECT_FALSE(is_entity_name(name)) << name;
  }
  EXPECT_FALSE(is_entity_name(std::string(257, 'a')));
  EXPECT_FALSE(is_entity_name(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace berth::entity
