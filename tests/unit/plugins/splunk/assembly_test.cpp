// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

#include "splunk_support.hpp"

namespace berth::splunk {
namespace {

Piece piece(std::uint64_t sequence, bool final = false, std::uint32_t part = 0,
            std::uint32_t parts = 1) {
  Piece made;
  made.sequence = sequence;
  made.final = final;
  made.part = part;
  made.parts = parts;
  made.text = std::to_string(sequence) + "." + std::to_string(part);
  return made;
}

TEST(Assembly, OrderAndRepetitionDoNotMatter) {
  std::vector<Piece> pieces;
  for (std::uint64_t i = 0; i < 50; ++i) {
    for (std::uint32_t part = 0; part < 1 + i % 3; ++part) {
      pieces.push_back(piece(i, i == 49, part, 1 + static_cast<std::uint32_t>(i % 3)));
    }
  }
  const auto once = pieces;
  pieces.insert(pieces.end(), once.begin(), once.end());
  std::shuffle(pieces.begin(), pieces.end(), std::mt19937(7));
  Assembly assembly(0);
  for (Piece& one : pieces) assembly.add(std::move(one));
  EXPECT_TRUE(assembly.complete());
  bool partial = false;
  const sdk::LogPage page = assembly.page(1 << 20, false, partial);
  EXPECT_FALSE(partial);
  EXPECT_EQ(page.size(), 50u);
  EXPECT_TRUE(page.next_cursor.empty());
}

TEST(Assembly, WhatIsMissingIsSaid) {
  Assembly assembly(0);
  assembly.add(piece(0));
  assembly.add(piece(2, true));
  EXPECT_FALSE(assembly.complete());
  bool partial = false;
  EXPECT_EQ(assembly.page(1000, false, partial).size(), 2u);
  EXPECT_TRUE(partial);
}

TEST(Assembly, WithoutTheEndItIsNotComplete) {
  Assembly assembly(0);
  EXPECT_FALSE(assembly.known());
  assembly.add(piece(0));
  assembly.add(piece(1));
  EXPECT_TRUE(assembly.known());
  EXPECT_FALSE(assembly.complete());
  assembly.add(piece(kEnd, true));
  EXPECT_TRUE(assembly.complete());
}

TEST(Assembly, ATornLineAtTheEndOfAFullPageIsForTheNext) {
  Assembly assembly(5);
  assembly.add(piece(4));  // of the page before
  assembly.add(piece(5));
  assembly.add(piece(6, false, 0, 2));
  bool partial = false;
  const sdk::LogPage page = assembly.page(1000, true, partial);
  EXPECT_FALSE(partial);
  EXPECT_EQ(page.size(), 1u);
  EXPECT_EQ(page.next_cursor, "6");
  EXPECT_FALSE(assembly.front_is_torn());
  Assembly torn(6);
  torn.add(piece(6, false, 0, 2));
  EXPECT_TRUE(torn.front_is_torn());
}

TEST(Assembly, ATailEndsBeforeTheFirstGapAndHasACursorUntilTheEnd) {
  Assembly assembly(0);
  EXPECT_EQ(assembly.tail(1000).next_cursor, "0");
  EXPECT_FALSE(assembly.gap());
  assembly.add(piece(0));
  assembly.add(piece(2, true));
  EXPECT_TRUE(assembly.gap());
  EXPECT_TRUE(assembly.ended());
  EXPECT_EQ(assembly.tail(1000).size(), 1u);
  EXPECT_EQ(assembly.tail(1000).next_cursor, "1");
  assembly.add(piece(1, false, 0, 2));
  EXPECT_EQ(assembly.tail(1000).next_cursor, "1") << "half a line is none";
  assembly.add(piece(1, false, 1, 2));
  EXPECT_FALSE(assembly.gap());
  EXPECT_EQ(assembly.tail(1000).size(), 3u);
  EXPECT_EQ(assembly.tail(1000).next_cursor, "");
  EXPECT_EQ(assembly.tail(1).size(), 1u);
  EXPECT_EQ(assembly.tail(1).next_cursor, "1");
}

TEST(Assembly, APageEndsAtItsBytes) {
  Assembly assembly(0);
  for (std::uint64_t i = 0; i < 10; ++i) assembly.add(piece(i, i == 9));
  bool partial = false;
  const sdk::LogPage page = assembly.page(7, false, partial);
  EXPECT_EQ(page.size(), 2u);
  EXPECT_EQ(page.next_cursor, "2");
  EXPECT_FALSE(partial);
}

TEST(Assembly, NonsenseIsPassedOver) {
  Assembly assembly(0);
  assembly.add(piece(0, false, 5, 2));
  assembly.add(piece(0, false, 0, 0));
  assembly.add(piece(0, false, 0, 2));
  assembly.add(piece(0, false, 0, 3));
  bool partial = false;
  EXPECT_TRUE(assembly.page(100, false, partial).empty());
  EXPECT_TRUE(partial);
}

}  // namespace
}  // namespace berth::splunk
