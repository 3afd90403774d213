// SPDX-License-Identifier: Apache-2.0
// Where in one log file the lines of an activation are: in memory while the file grows, and as a
// sorted file beside it when it is full. A side file that is lost or damaged is made again from the
// log file.
//
// Not thread-safe, but for SortedIndex::find, which only reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "berth/sdk/status.hpp"
#include "json_line.hpp"
#include "support/unique_fd.hpp"

namespace berth::file {

// Lines of one activation that follow one another. Also the entry of the side file, as it is on
// disk (little-endian).
struct Chunk {
  ActivationId id{};
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint32_t flags = 0;
  std::uint32_t previous = 0;  // in memory: place + 1 of an earlier chunk of this id; on disk 0
};
static_assert(sizeof(Chunk) == 40);
inline constexpr std::uint32_t kChunkFinal = 1;      // the activation ends here
inline constexpr std::uint32_t kChunkFirst = 2;      // holds the line with sequence 0
inline constexpr std::uint32_t kChunkRecovered = 4;  // written by an earlier run; never on disk

// A hash table of chunks by id.
class MemoryIndex {
 public:
  void add(Chunk chunk);
  // In the order they were added.
  std::vector<Chunk> find(const ActivationId& id) const;
  const std::vector<Chunk>& chunks() const { return chunks_; }

 private:
  std::size_t slot_of(const ActivationId& id) const;
  void grow();

  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> slots_;  // place + 1 of the newest chunk of an id; 0: free
  std::size_t used_ = 0;
};

// The side file of a log file: a header and chunks sorted by id and offset.
class SortedIndex {
 public:
  // Writes the chunks of a log file of which they cover `data_bytes`. After a crash there is the
  // whole file or none.
  static sdk::Status write(const std::filesystem::path& path, std::vector<Chunk> chunks,
                           std::uint64_t data_bytes);
  // Null if the file is not there or damaged.
  static std::unique_ptr<SortedIndex> open(const std::filesystem::path& path);

  // How much of the log file it covers, from its start.
  std::uint64_t data_bytes() const { return data_bytes_; }
  std::uint64_t count() const { return count_; }
  std::vector<Chunk> find(const ActivationId& id) const;
  // All of them, by offset.
  std::vector<Chunk> load() const;

 private:
  SortedIndex() = default;
  bool read(std::uint64_t place, Chunk& chunk) const;

  support::UniqueFd fd_;
  std::uint64_t data_bytes_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace berth::file
