// SPDX-License-Identifier: Apache-2.0
#include "segment_index.hpp"

#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>

#include "file_support.hpp"

namespace berth::file {
namespace {

Chunk chunk_of(std::uint64_t number, std::uint64_t offset) {
  Chunk chunk;
  chunk.id = *parse_id(id_of(number));
  chunk.offset = offset;
  chunk.length = 10;
  chunk.flags = kChunkFinal;
  return chunk;
}

std::vector<std::uint64_t> offsets(const std::vector<Chunk>& chunks) {
  std::vector<std::uint64_t> out;
  for (const Chunk& chunk : chunks) out.push_back(chunk.offset);
  return out;
}

TEST(MemoryIndex, FindsAllChunksInTheirOrder) {
  MemoryIndex index;
  EXPECT_TRUE(index.find(*parse_id(id_of(1))).empty());
  std::mt19937 random(1);
  std::map<std::uint64_t, std::vector<std::uint64_t>> expected;
  for (std::uint64_t offset = 0; offset < 50'000; ++offset) {
    // Ids that differ in their last bytes only, and many of one id.
    const std::uint64_t number = offset % 3 == 0 ? 7 : random() % 10'000;
    index.add(chunk_of(number, offset));
    expected[number].push_back(offset);
  }
  for (const auto& [number, all] : expected) {
    ASSERT_EQ(offsets(index.find(*parse_id(id_of(number)))), all) << number;
  }
  EXPECT_TRUE(index.find(*parse_id(id_of(10'001))).empty());
}

TEST(SortedIndex, FindsTheSameFromItsFile) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "x.idx";
  std::mt19937 random(2);
  MemoryIndex memory;
  for (std::uint64_t i = 0; i < 20'000; ++i) memory.add(chunk_of(random() % 5'000, i * 10));
  ASSERT_TRUE(SortedIndex::write(path, memory.chunks(), 200'000).ok());
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  const auto sorted = SortedIndex::open(path);
  ASSERT_NE(sorted, nullptr);
  EXPECT_EQ(sorted->data_bytes(), 200'000u);
  EXPECT_EQ(sorted->count(), 20'000u);
  for (std::uint64_t number = 0; number < 5'005; ++number) {
    const ActivationId id = *parse_id(id_of(number));
    ASSERT_EQ(offsets(sorted->find(id)), offsets(memory.find(id))) << number;
  }
  EXPECT_EQ(offsets(sorted->load()), offsets(memory.chunks()));
}

TEST(SortedIndex, AnEmptyOneIsFine) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(SortedIndex::write(directory.path() / "x", {}, 0).ok());
  const auto sorted = SortedIndex::open(directory.path() / "x");
  ASSERT_NE(sorted, nullptr);
  EXPECT_TRUE(sorted->find(ActivationId{}).empty());
  EXPECT_TRUE(sorted->load().empty());
}

TEST(SortedIndex, DamageIsSeen) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "x.idx";
  EXPECT_EQ(SortedIndex::open(path), nullptr);
  ASSERT_TRUE(SortedIndex::write(path, {chunk_of(1, 0), chunk_of(2, 10)}, 20).ok());
  const std::string good = read_text(path);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    std::ofstream(path, std::ios::binary) << bad;
    EXPECT_EQ(SortedIndex::open(path), nullptr) << "byte " << i;
  }
  for (std::size_t keep = 0; keep < good.size(); keep += 7) {
    std::ofstream(path, std::ios::binary) << good.substr(0, keep);
    EXPECT_EQ(SortedIndex::open(path), nullptr) << keep << " bytes";
  }
  std::ofstream(path, std::ios::binary) << good << "x";
  EXPECT_EQ(SortedIndex::open(path), nullptr);
}

}  // namespace
}  // namespace berth::file
