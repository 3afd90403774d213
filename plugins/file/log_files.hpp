// SPDX-License-Identifier: Apache-2.0
// The directory of log files: appends to the newest, begins a new one when it is full, deletes the
// oldest, and finds the lines of an activation in all of them.
//
// open(), append(), take_rotated() and close() belong to one thread at a time; the others may be
// called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/sdk/log_store.hpp"
#include "segment.hpp"

namespace berth::file {

// The lines of one append, formatted.
struct Block {
  std::string bytes;
  ActivationId id{};
  std::uint32_t flags = 0;  // kChunkFirst, kChunkFinal
  std::string user_logs;    // the same for UserLogs, if that is wanted
};

struct Fetched {
  sdk::Status status;
  sdk::LogPage page;
  bool partial = false;  // some lines are lost
};

class LogFiles {
 public:
  struct Options {
    std::filesystem::path directory;
    std::uint64_t max_file_bytes;
    std::uint64_t max_files;                    // 0: no bound
    std::uint64_t max_bytes = 0;                // of all files on disk; 0: no bound
    std::chrono::milliseconds max_age{0};       // of a file's last line; 0: no bound
    std::chrono::milliseconds max_file_age{0};  // of its first line: then a new one is begun
    bool pack = false;                          // full files are compressed
    std::int64_t (*now_ms)() = &wall_ms;        // since the epoch
  };
  struct Stats {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };

  explicit LogFiles(Options options) : options_(std::move(options)) {}

  // Makes or takes the directory, locks it, recovers the files in it. FAILED_PRECONDITION if
  // another process has it.
  sdk::Status open(Recovery& recovery);

  // Writes the blocks in their order. `written` is how many are kept: all, if the status is OK.
  sdk::Status append(const std::vector<Block>& blocks, std::size_t& written);
  sdk::Status sync();
  // Syncs and leaves an index, so that the next start need not scan.
  sdk::Status close();

  // Begins a new file if the newest is too old for more lines. When to ask again; never: max.
  sdk::Status rotate_if_old(std::int64_t& next_ms);

  // True if a new file was begun since the last call.
  bool take_rotated() { return std::exchange(rotated_, false); }

  // Writes the side files of full log files. Cheap if there are none.
  sdk::Status seal_full();
  // Compresses full files, if that is wanted, and deletes those that are too old or too much.
  // Whether `*stop` is true is looked at now and then.
  sdk::Status keep_house(const bool* stop);

  // One page of an activation's lines. NOT_FOUND; INVALID_ARGUMENT for a cursor that is none of
  // ours.
  Fetched fetch(const ActivationId& id, std::string_view namespace_name, std::string_view cursor,
                std::uint64_t max_bytes) const;
  // The same of an activation that may still go on: only after its end the cursor is empty. One
  // that is not known yet has no lines.
  Fetched follow(const ActivationId& id, std::string_view namespace_name, std::string_view cursor,
                 std::uint64_t max_bytes) const;

  Stats stats() const;

 private:
  using SegmentPtr = std::shared_ptr<Segment>;
  struct Place {
    SegmentPtr segment;
    Chunk chunk;
  };

  sdk::Status lock_directory();
  sdk::Status rotate();
  static std::int64_t wall_ms();
  void remove_oldest();
  bool too_much(const Segment& oldest, std::uint64_t files, std::uint64_t bytes) const;
  std::vector<SegmentPtr> snapshot() const;
  std::vector<Place> find(const ActivationId& id) const;
  Fetched read(const ActivationId& id, std::string_view namespace_name, std::string_view cursor,
               std::uint64_t max_bytes, bool follow) const;

  const Options options_;
  support::UniqueFd lock_;
  mutable std::mutex mutex_;
  std::vector<SegmentPtr> segments_;  // oldest first; guarded by mutex_
  SegmentPtr active_;                 // the last of them; of the appending thread
  bool rotated_ = false;              // of the appending thread
  std::mutex seal_mutex_;             // one at a time makes side files
};

}  // namespace berth::file
