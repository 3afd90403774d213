// SPDX-License-Identifier: Apache-2.0
#include "sandboxer/log_buffer.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

namespace berth::process {
namespace {

class LogBufferTest : public ::testing::Test {
 protected:
  LogBufferTest() {
    std::string name = "/tmp/lbXXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
    directory_.reset(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~LogBufferTest() override { std::filesystem::remove_all(path_); }

  // Everything from a cursor on, in reads of `step` bytes.
  static std::string read(const LogBuffer& buffer, LogCursor cursor, uint64_t step,
                          LogCursor* end = nullptr) {
    std::string all;
    while (buffer.has_more(cursor)) {
      std::vector<LogChunk> chunks;
      const auto status = buffer.read(cursor, step, chunks, cursor);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok() || chunks.empty()) break;
      for (const auto& c : chunks) all += c.bytes;
    }
    if (end != nullptr) *end = cursor;
    return all;
  }

  std::string path_;
  UniqueFd directory_;
};

TEST_F(LogBufferTest, SmallOutputStaysInMemory) {
  LogBuffer buffer(-1, 1 << 20);  // there is no directory to spill to
  buffer.append(1, 10, "one\n");
  buffer.append(2, 20, "two\n");
  std::vector<LogChunk> chunks;
  LogCursor next;
  ASSERT_TRUE(buffer.read({}, 1000, chunks, next).ok());
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].stream, 1);
  EXPECT_EQ(chunks[0].time_ns, 10);
  EXPECT_EQ(chunks[1].stream, 2);
  EXPECT_EQ(chunks[1].bytes, "two\n");
  EXPECT_FALSE(buffer.has_more(next));
  EXPECT_EQ(buffer.dropped_bytes(), 0u);
}

TEST_F(LogBufferTest, AnAnswerOfManyShortChunksFitsAPacket) {
  LogBuffer buffer(-1, 1 << 20);
  constexpr size_t kWrites = 3500;  // stay in memory
  for (size_t i = 0; i < kWrites; ++i) buffer.append(1, 1, "x");
  buffer.append(1, 1, "y");
  ReadLogsReply reply;
  ASSERT_TRUE(buffer.read({}, kMaxLogBytes, reply.chunks, reply.next).ok());
  EXPECT_EQ(reply.chunks.size(), kWrites + 1);

  LogBuffer spilled(directory_.get(), 1 << 20);
  for (size_t i = 0; i < 20'000; ++i) spilled.append(1, 1, "xyz");
  size_t bytes = 0;
  size_t reads = 0;
  for (LogCursor at; spilled.has_more(at); ++reads) {
    ReadLogsReply part;
    ASSERT_TRUE(spilled.read(at, kMaxLogBytes, part.chunks, part.next).ok());
    for (const auto& chunk : part.chunks) bytes += chunk.bytes.size();
    EXPECT_LE(berth::process::reply(1, part).size(), kMaxPacket);
    at = part.next;
  }
  EXPECT_EQ(bytes, 60'000u);
  EXPECT_GT(reads, 1u);
}

TEST_F(LogBufferTest, ACursorMayStandInsideARecord) {
  LogBuffer buffer(-1, 1 << 20);
  buffer.append(1, 1, "abcdefgh");
  std::vector<LogChunk> chunks;
  LogCursor next;
  ASSERT_TRUE(buffer.read({}, 3, chunks, next).ok());
  EXPECT_EQ(chunks.at(0).bytes, "abc");
  EXPECT_EQ(read(buffer, next, 2), "defgh");
}

TEST_F(LogBufferTest, SpillsAndReadsBackWhatItWasGiven) {
  LogBuffer buffer(directory_.get(), 1 << 20);
  std::mt19937 random(7);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    std::string chunk(random() % 3000 + 1, static_cast<char>('a' + i % 26));
    buffer.append(1, i, chunk);
    expected += chunk;
  }
  ASSERT_LT(expected.size(), 900'000u);
  for (const uint64_t step : {1000u, 65536u, 10'000'000u}) {
    EXPECT_EQ(read(buffer, {}, step), expected) << step;
  }
  EXPECT_TRUE(std::filesystem::is_empty(path_)) << "the spill file has no name";
}

TEST_F(LogBufferTest, TheOldestIsDroppedAndCounted) {
  LogBuffer buffer(directory_.get(), 256 << 10);
  LogCursor early;
  std::vector<LogChunk> ignored;
  buffer.append(1, 0, "first");
  ASSERT_TRUE(buffer.read({}, 100, ignored, early).ok());
  std::string all = "first";
  for (int i = 0; i < 5000; ++i) {
    const std::string line = std::to_string(i) + std::string(400, '.') + "\n";
    buffer.append(1, i, line);
    all += line;
  }
  std::string kept = read(buffer, {}, 65536);
  const std::string notice = "berth: " + std::to_string(buffer.dropped_bytes()) +
                             " bytes of output were dropped here, the buffer of 262144 bytes was "
                             "full\n";
  ASSERT_EQ(kept.substr(0, notice.size()), notice);
  kept.erase(0, notice.size());
  EXPECT_EQ(kept.size() + buffer.dropped_bytes(), all.size()) << "every byte is kept or counted";
  EXPECT_EQ(kept, all.substr(all.size() - kept.size())) << "and what is kept is the end";
  EXPECT_GT(kept.size(), 128u << 10);
  EXPECT_LE(kept.size(), 256u << 10);
  LogCursor next;
  EXPECT_EQ(buffer.read(early, 100, ignored, next).code(), sdk::StatusCode::kOutOfRange);
}

TEST_F(LogBufferTest, WithoutADiskOnlyMemoryIsKept) {
  LogBuffer buffer(-1, 1 << 20);
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = std::to_string(i) + std::string(300, '.') + "\n";
    buffer.append(1, i, line);
    all += line;
  }
  std::string kept = read(buffer, {}, 65536);
  kept.erase(0, kept.find('\n') + 1);
  EXPECT_EQ(kept, all.substr(all.size() - kept.size()));
  EXPECT_GT(buffer.dropped_bytes(), 0u);
}

TEST_F(LogBufferTest, AForgedCursorIsRefused) {
  LogBuffer buffer(directory_.get(), 1 << 20);
  buffer.append(1, 1, "abc");
  std::vector<LogChunk> chunks;
  LogCursor next;
  EXPECT_EQ(buffer.read({1000, 0, false}, 10, chunks, next).code(), sdk::StatusCode::kOutOfRange);
  EXPECT_EQ(buffer.read({0, 3, false}, 10, chunks, next).code(), sdk::StatusCode::kOutOfRange);
  EXPECT_FALSE(buffer.read({5, 0, false}, 10, chunks, next).ok());
}

}  // namespace
}  // namespace berth::process
