// SPDX-License-Identifier: Apache-2.0
// One log file, logs-<number>.jsonl, with its index; logs-<number>.jsonl.gz once it is packed.
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

#include "gzip_blocks.hpp"
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

  // Where a file is packed to, or half packed.
  static bool is_packing(const std::filesystem::path& path);

  // Makes the file, which must not exist.
  sdk::Status create();
  // Opens the file of an earlier run. `newest`: it may be appended to; a torn last line is cut off.
  sdk::Status recover(bool newest, Recovery& recovery);

  // Writes at the end; `chunks` have offsets relative to `bytes`. All of it or nothing.
  sdk::Status append(std::string_view bytes, const std::vector<Chunk>& chunks, std::int64_t now_ms);
  // What was appended is on disk; without effect if it is already.
  sdk::Status sync();
  // True if a failed write left a torn end that could not be cut off: nothing more may be written
  // here.
  bool broken() const { return broken_; }

  // Syncs and writes the side file; after it the index takes no memory. Nothing may be appended any
  // more.
  sdk::Status seal();
  bool sealed() const;

  // Packs the file and deletes the unpacked one; readers go on with what they have. Only a sealed
  // one. `stop`: as GzipBlocks::pack().
  sdk::Status pack(const bool* stop);
  bool packed() const;

  std::vector<Chunk> find(const ActivationId& id) const;
  // Calls `line(text, offset, next)` for each whole line from `offset` up to `end` until it returns
  // false. False if the file could not be read.
  bool read(std::uint64_t offset, std::uint64_t end,
            const std::function<bool(std::string_view line, std::uint64_t offset,
                                     std::uint64_t next)>& line) const;

  // Deletes the file and its index.
  void remove();

  std::uint64_t number() const { return number_; }
  // Unpacked.
  std::uint64_t size() const { return size_; }
  std::uint64_t disk_size() const;
  // ms since the epoch: when its first line was appended (0: there is none), and the last one.
  std::int64_t begun_ms() const { return begun_ms_; }
  std::int64_t written_ms() const { return written_ms_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  // The bytes of the file, wherever they are now.
  struct Data {
    support::UniqueFd fd;
    std::unique_ptr<GzipBlocks> packed;
    bool read(char* to, std::size_t bytes, std::uint64_t offset) const;
  };
  std::shared_ptr<const Data> data() const;
  void learn_times(std::int64_t modified_ms);
  void scan(std::uint64_t from, Recovery& recovery);

  const std::uint64_t number_;
  const std::filesystem::path path_;
  const std::filesystem::path index_path_;
  const std::filesystem::path packed_path_;
  std::atomic<std::int64_t> begun_ms_{0};
  std::atomic<std::int64_t> written_ms_{0};
  int fd_ = -1;  // of data_, while it is not packed; of the appending thread
  std::atomic<std::uint64_t> size_{0};
  std::uint64_t recovered_size_ = 0;  // up to where an earlier run wrote
  std::atomic<bool> dirty_{false};
  bool broken_ = false;

  mutable std::mutex mutex_;
  std::shared_ptr<const Data> data_;           // guarded by mutex_
  std::unique_ptr<MemoryIndex> memory_;        // guarded by mutex_; null when sealed
  std::shared_ptr<const SortedIndex> sorted_;  // guarded by mutex_
  bool removed_ = false;                       // guarded by mutex_
};

}  // namespace berth::file
