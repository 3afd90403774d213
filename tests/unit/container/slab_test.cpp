// SPDX-License-Identifier: Apache-2.0
#include "container/slab.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

namespace berth::container {
namespace {

// Counts those alive, and tells whether its memory was written to by another.
struct alignas(64) Thing {
  explicit Thing(int* the_alive, std::uint64_t the_number = 0)
      : alive(the_alive), number(the_number), check(~the_number) {
    if (number == kRefused) throw std::runtime_error("refused");
    ++*alive;
  }
  ~Thing() {
    EXPECT_TRUE(whole());
    --*alive;
  }
  bool whole() const { return check == ~number; }

  static constexpr std::uint64_t kRefused = 4711;
  int* alive;
  std::uint64_t number;
  char room[200] = {};
  std::uint64_t check;
};

TEST(Slab, ObjectsAreAlignedAndApart) {
  int alive = 0;
  Slab<Thing> slab;
  std::vector<Thing*> things;
  std::set<std::uintptr_t> places;
  for (std::uint64_t i = 0; i < 20'000; ++i) {  // the first slab and two more
    things.push_back(slab.make(&alive, i == Thing::kRefused ? 1 : i));
    const auto place = reinterpret_cast<std::uintptr_t>(things.back());
    ASSERT_EQ(place % alignof(Thing), 0u);
    const auto after = places.lower_bound(place);
    ASSERT_TRUE(after == places.end() || *after - place >= sizeof(Thing));
    ASSERT_TRUE(after == places.begin() || place - *std::prev(after) >= sizeof(Thing));
    places.insert(place);
  }
  EXPECT_EQ(alive, 20'000);
  EXPECT_EQ(slab.memory().taken(), 20'000u);
  for (Thing* thing : things) slab.end(thing);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(slab.memory().taken(), 0u);
}

TEST(Slab, WhatWasGivenBackIsTakenAgain) {
  int alive = 0;
  Slab<Thing> slab;
  std::vector<Thing*> things(10'000);
  for (Thing*& thing : things) thing = slab.make(&alive);
  const std::size_t bytes = slab.memory().slab_bytes();
  std::mt19937 random(4711);
  for (int i = 0; i < 100'000; ++i) {
    Thing*& one = things[random() % things.size()];
    ASSERT_TRUE(one->whole());
    slab.end(one);
    one = slab.make(&alive, static_cast<std::uint64_t>(i) + 10'000);
  }
  EXPECT_EQ(alive, 10'000);
  EXPECT_EQ(slab.memory().slab_bytes(), bytes) << "no memory for what only changes";
  for (Thing* thing : things) slab.end(thing);
  for (Thing*& thing : things) thing = slab.make(&alive);
  EXPECT_EQ(slab.memory().slab_bytes(), bytes);
  for (Thing* thing : things) slab.end(thing);
  EXPECT_EQ(alive, 0);
}

TEST(Slab, LittleIsTakenForFew) {
  int alive = 0;
  Slab<Thing> slab;
  EXPECT_EQ(slab.memory().slab_bytes(), 0u);
  Thing* const one = slab.make(&alive);
  EXPECT_LE(slab.memory().slab_bytes(), SlabMemory::kFirstSlabBytes);
  slab.end(one);
}

TEST(Slab, AnObjectThatCannotBeMadeTakesNothing) {
  int alive = 0;
  Slab<Thing> slab;
  EXPECT_THROW(slab.make(&alive, Thing::kRefused), std::runtime_error);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(slab.memory().taken(), 0u);
}

// As of a pool that is gone while the factory still has to answer for a container.
TEST(Slab, ObjectsMayOutliveTheirSlab) {
  int alive = 0;
  SlabMemory* memory = nullptr;
  std::vector<Thing*> things;
  {
    Slab<Thing> slab;
    memory = &slab.memory();
    for (int i = 0; i < 1'000; ++i) things.push_back(slab.make(&alive));
  }
  for (Thing* thing : things) {
    ASSERT_TRUE(thing->whole());
    Slab<Thing>::end(thing, *memory);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace berth::container
