// SPDX-License-Identifier: Apache-2.0
// One log file, logs-<number>.jsonl, with its index.
//
// append() belongs to one thread at a time, and so does seal(); the others may be called from any
// thread at any time. A segment that was removed can still be read by who holds it.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "segment_index.hpp"
#include "support/unique_fd.hpp"

namespace berth::file {

// What recovery found in one file.
struct Recovery {
  std::uint64_t torn_bytes = 0;     // cut off: the last line had no end
  std::uint64_t damaged_lines = 0;  // passed over
  std::uint64_t scanned_bytes = 0;  // had no index
};

class Segment {
 public:
  Segment(const std::filesystem::path& directory, std::uint64_t number);

  // The number in a file's name, or 0 if it is none of ours.
  static std::uint64_t number_of(const std::filesystem::path& path);
  // True for the name of a side file, whole or half written.
  static bool is_index(const std::filesystem::path& path);

  // Makes the file, which must not exist.
  sdk::Status create();
  // Opens the file of an earlier run. `newest`: it may be appended to; a torn last line is cut off.
  sdk::Status recover(bool newest, Recovery& recovery);

  // Writes at the end; `chunks` have offsets relative to `bytes`. All of it or nothing.
  sdk::Status append(std::string_view bytes, const std::vector<Chunk>& chunks);
  // What was appended is on disk; without effect if it is already.
  sdk::Status sync();
  // True if a failed write left a torn end that could not be cut off: nothing more may be written
  // here.
  bool broken() const { return broken_; }

  // Syncs and writes the side file; after it the index takes no memory. Nothing may be appended any
  // more.
  sdk::Status seal();
  bool sealed() const;

  std::vector<Chunk> find(const ActivationId& id) const;
  // Calls `line(text, offset, next)` for each whole line from `offset` up to `end` until it returns
  // false. False if the file could not be read.
  bool read(std::uint64_t offset, std::uint64_t end,
            const std::function<bool(std::string_view line, std::uint64_t offset,
                                     std::uint64_t next)>& line) const;

  // Deletes the file and its index.
  void remove();

  std::uint64_t number() const { return number_; }
  std::uint64_t size() const { return size_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  void scan(std::uint64_t from, Recovery& recovery);

  const std::uint64_t number_;
  const std::filesystem::path path_;
  const std::filesystem::path index_path_;
  support::UniqueFd fd_;
  std::atomic<std::uint64_t> size_{0};
  std::uint64_t recovered_size_ = 0;  // up to where an earlier run wrote
  std::atomic<bool> dirty_{false};
  bool broken_ = false;

  mutable std::mutex mutex_;
  std::unique_ptr<MemoryIndex> memory_;        // guarded by mutex_; null when sealed
  std::shared_ptr<const SortedIndex> sorted_;  // guarded by mutex_
  bool removed_ = false;                       // guarded by mutex_
};

}  // namespace berth::file
