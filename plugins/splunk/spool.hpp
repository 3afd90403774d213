// SPDX-License-Identifier: Apache-2.0
// What waits for Splunk, on disk: files spool-<number>.q to which records are appended, and the
// position up to which they are acknowledged. What append() has written survives kill -9; after a
// crash records may come back that had been acknowledged.
//
// append() and sync() belong to one thread at a time; the others may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "support/unique_fd.hpp"

namespace berth::splunk {

using RecordId = std::array<unsigned char, 16>;
// Of an activation's id, 32 lower-case hex digits.
RecordId record_id(std::string_view activation_id);

class Spool {
 public:
  struct Options {
    std::filesystem::path directory;
    std::uint64_t max_bytes;                   // of records that are not acknowledged
    std::uint64_t segment_bytes;               // a new file is begun after so many
    std::uint64_t memory_bytes = 32ull << 20;  // of records kept in memory, too
  };
  // What one append was formatted to.
  struct Item {
    RecordId id{};  // of the activation
    std::string events;
  };
  // Records that follow one another.
  struct Batch {
    std::uint64_t first = 0;  // their numbers
    std::uint64_t last = 0;
    std::string events;
    bool empty() const { return last < first || events.empty(); }
  };
  struct Recovery {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    std::uint64_t torn_bytes = 0;  // cut off
  };
  struct Stats {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
  };

  explicit Spool(Options options) : options_(std::move(options)) {}

  // Makes or takes the directory, locks it and finds what an earlier run left.
  sdk::Status open(Recovery& recovery);

  // Writes the items in their order, all or none of them. RESOURCE_EXHAUSTED, retryable, if there
  // is no room.
  sdk::Status append(std::vector<Item> items);
  sdk::Status sync();

  // The number of the oldest record that is not acknowledged, and of the next one to come.
  std::uint64_t first() const;
  std::uint64_t end() const;
  // Records from number `from`, at most about `max_bytes` and `max_records` of them but at least
  // one, if there is one. DATA_LOSS if it cannot be read back any more; then `batch` says which.
  sdk::Status take(std::uint64_t from, std::uint64_t max_bytes, std::uint64_t max_records,
                   Batch& batch) const;
  // All up to and with this one are acknowledged.
  void acknowledge(std::uint64_t last);
  // The events of an activation that are not acknowledged.
  std::vector<std::string> pending(const RecordId& id) const;

  Stats stats() const;

 private:
  struct Segment {
    std::uint64_t number = 0;
    support::UniqueFd fd;
    std::uint64_t size = 0;
    std::uint64_t records = 0;  // not acknowledged
  };
  using SegmentPtr = std::shared_ptr<Segment>;
  struct Record {
    RecordId id{};
    SegmentPtr segment;
    std::uint64_t offset = 0;  // of the events
    std::uint32_t length = 0;
    std::uint32_t checksum = 0;
    std::shared_ptr<const std::string> events;  // null: only on disk
  };
  struct Position {
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
  };

  std::filesystem::path path_of(std::uint64_t number) const;
  sdk::Status recover(std::uint64_t number, const Position& acknowledged, bool newest,
                      Recovery& recovery);
  sdk::Status rotate();
  Position read_position() const;
  void write_position();  // with mutex_ held
  sdk::Status read(const Record& record, std::string& to) const;

  const Options options_;
  support::UniqueFd lock_;
  support::UniqueFd position_;
  mutable std::mutex mutex_;
  std::deque<SegmentPtr> segments_;  // oldest first; the last is appended to
  std::deque<Record> records_;       // not acknowledged
  std::uint64_t first_ = 0;          // number of records_.front()
  std::uint64_t bytes_ = 0;          // of records_
  std::uint64_t memory_ = 0;         // of those kept in memory
  bool broken_ = false;              // of the appending thread: a torn end could not be cut off
};

}  // namespace berth::splunk
