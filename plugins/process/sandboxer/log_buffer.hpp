// SPDX-License-Identifier: Apache-2.0
// LogBuffer: the kept output of one sandbox, a bounded queue of chunks addressed by offset.
//
// A sandbox's writers must never wait for a reader, and what they wrote must survive a restart of
// berthd, so the sandboxer reads every pipe at once and keeps the chunks here. The newest 64 KiB
// stay in memory, which is all that most functions write; older ones move to a ring in an unlinked
// file (nobody else can open it, and it goes with the process). When the ring is full the oldest
// chunks are dropped and counted: a reader that begins at the oldest finds a line that says how
// much is missing.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

class LogBuffer {
 public:
  // Keeps about `limit` bytes, at least one chunk of 64 KiB. The ring's file is made in the
  // directory `spill_directory` (a descriptor that outlives the buffer) when memory no longer
  // suffices.
  LogBuffer(int spill_directory, uint64_t limit);

  // Appends a chunk, at most 64 KiB. Never fails: what the disk refuses is dropped and counted.
  void append(uint8_t stream, int64_t time_ns, std::string_view bytes);

  // Reads up to `max_bytes` bytes of output, of up to kMaxLogChunks chunks, from `cursor` on; at
  // least one byte if there is one and max_bytes > 0. The cursor after it goes to `next`.
  // OUT_OF_RANGE if the cursor points to what has been dropped or never was.
  sdk::Status read(const LogCursor& cursor, uint64_t max_bytes, std::vector<LogChunk>& chunks,
                   LogCursor& next) const;

  // True if a read from this cursor would return something (or fail).
  bool has_more(const LogCursor& cursor) const;

  uint64_t dropped_bytes() const { return dropped_; }

 private:
  struct RecordHeader {
    uint32_t size;
    uint32_t stream;
    int64_t time_ns;
  };
  static constexpr uint64_t kHeaderSize = sizeof(RecordHeader);

  bool read_raw(uint64_t offset, char* to, size_t n) const;
  bool write_ring(uint64_t offset, const char* from, size_t n);
  void spill(size_t keep);
  void drop_oldest_until(uint64_t first_needed);

  int spill_directory_;
  uint64_t limit_;
  UniqueFd file_;
  // Offsets never wrap. [start_, tail_start_) is in the ring, [tail_start_, end_) in memory; start_
  // and tail_start_ are always at a record's header.
  uint64_t start_ = 0;
  uint64_t tail_start_ = 0;
  std::string tail_;
  uint64_t dropped_ = 0;
};

}  // namespace berth::process
