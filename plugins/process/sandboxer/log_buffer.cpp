// SPDX-License-Identifier: Apache-2.0
#include "log_buffer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace berth::process {
namespace {

constexpr size_t kMemory = 64 * 1024;
constexpr size_t kMaxChunk = 64 * 1024;

UniqueFd open_spill_file(int directory) {
  UniqueFd fd(::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  // File systems without O_TMPFILE: create under a name only we use and unlink it at once.
  char name[32];
  std::snprintf(name, sizeof(name), "spill.%d", static_cast<int>(::getpid()));
  fd.reset(::openat(directory, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.valid()) ::unlinkat(directory, name, 0);
  return fd;
}

}  // namespace

LogBuffer::LogBuffer(int spill_directory, uint64_t limit)
    : spill_directory_(spill_directory),
      limit_(std::max<uint64_t>(limit, 2 * (kMaxChunk + kHeaderSize))) {}

void LogBuffer::append(uint8_t stream, int64_t time_ns, std::string_view bytes) {
  if (bytes.empty()) return;
  bytes = bytes.substr(0, kMaxChunk);
  const RecordHeader header{static_cast<uint32_t>(bytes.size()), stream, time_ns};
  tail_.append(reinterpret_cast<const char*>(&header), kHeaderSize);
  tail_.append(bytes);
  // Moving everything but the last half at once keeps the cost of the move per byte constant.
  if (tail_.size() > kMemory) spill(kMemory / 2);
}

void LogBuffer::spill(size_t keep) {
  size_t cut = 0;
  while (tail_.size() - cut > keep) {
    RecordHeader header;
    std::memcpy(&header, tail_.data() + cut, kHeaderSize);
    cut += kHeaderSize + header.size;
  }
  if (!file_.valid()) file_ = open_spill_file(spill_directory_);
  const uint64_t end = tail_start_ + cut;
  // The limit counts what memory keeps too.
  const uint64_t kept_in_memory = tail_.size() - cut;
  const uint64_t room = limit_ - std::min<uint64_t>(kept_in_memory, limit_ / 2);
  if (end - start_ > room) drop_oldest_until(end - room);
  bool written = file_.valid();
  if (written && start_ < end) {
    const uint64_t from = std::max(start_, tail_start_);
    written = write_ring(from, tail_.data() + (from - tail_start_), end - from);
  }
  if (!written) drop_oldest_until(end);
  tail_.erase(0, cut);
  tail_start_ = end;
  if (start_ > tail_start_) start_ = tail_start_;
}

void LogBuffer::drop_oldest_until(uint64_t first_needed) {
  while (start_ < first_needed) {
    RecordHeader header{};
    if (!read_raw(start_, reinterpret_cast<char*>(&header), kHeaderSize)) {
      // An unreadable ring: everything in it is lost.
      dropped_ += tail_start_ - start_;
      start_ = tail_start_;
      continue;
    }
    dropped_ += header.size;
    start_ += kHeaderSize + header.size;
  }
}

bool LogBuffer::write_ring(uint64_t offset, const char* from, size_t n) {
  while (n > 0) {
    const uint64_t at = offset % limit_;
    const size_t part = static_cast<size_t>(std::min<uint64_t>(n, limit_ - at));
    const ssize_t done = ::pwrite(file_.get(), from, part, static_cast<off_t>(at));
    if (done <= 0) {
      if (done < 0 && errno == EINTR) continue;
      return false;
    }
    offset += static_cast<uint64_t>(done);
    from += done;
    n -= static_cast<size_t>(done);
  }
  return true;
}

bool LogBuffer::read_raw(uint64_t offset, char* to, size_t n) const {
  while (n > 0) {
    if (offset >= tail_start_) {
      const uint64_t at = offset - tail_start_;
      if (at + n > tail_.size()) return false;
      std::memcpy(to, tail_.data() + at, n);
      return true;
    }
    const uint64_t at = offset % limit_;
    const size_t part =
        static_cast<size_t>(std::min<uint64_t>({uint64_t{n}, limit_ - at, tail_start_ - offset}));
    const ssize_t done = ::pread(file_.get(), to, part, static_cast<off_t>(at));
    if (done <= 0) {
      if (done < 0 && errno == EINTR) continue;
      return false;
    }
    offset += static_cast<uint64_t>(done);
    to += done;
    n -= static_cast<size_t>(done);
  }
  return true;
}

bool LogBuffer::has_more(const LogCursor& cursor) const {
  const uint64_t end = tail_start_ + tail_.size();
  if (cursor.oldest) return start_ < end || dropped_ > 0;
  return cursor.offset != end;
}

sdk::Status LogBuffer::read(const LogCursor& cursor, uint64_t max_bytes,
                            std::vector<LogChunk>& chunks, LogCursor& next) const {
  const uint64_t end = tail_start_ + tail_.size();
  uint64_t offset = cursor.oldest ? start_ : cursor.offset;
  uint32_t skip = cursor.oldest ? 0 : cursor.skip;
  if (offset < start_) {
    return sdk::out_of_range("this place in the output has been dropped: the buffer of " +
                             std::to_string(limit_) +
                             " bytes was full before it was read; read from the oldest again");
  }
  if (offset > end) return sdk::out_of_range("no such place in the output");
  if (cursor.oldest && dropped_ > 0) {
    RecordHeader first{};
    if (start_ < end) read_raw(start_, reinterpret_cast<char*>(&first), kHeaderSize);
    chunks.push_back({2, first.time_ns,
                      "berth: " + std::to_string(dropped_) +
                          " bytes of output were dropped here, the buffer of " +
                          std::to_string(limit_) + " bytes was full\n"});
  }
  uint64_t left = max_bytes;
  while (offset < end && left > 0 && chunks.size() < kMaxLogChunks) {
    RecordHeader header{};
    if (!read_raw(offset, reinterpret_cast<char*>(&header), kHeaderSize)) {
      return sdk::data_loss("the output's spill file cannot be read");
    }
    if (skip >= header.size || header.size > kMaxChunk) {
      return sdk::out_of_range("no such place in the output");
    }
    const uint64_t n = std::min<uint64_t>(left, header.size - skip);
    LogChunk chunk{static_cast<uint8_t>(header.stream), header.time_ns, std::string(n, '\0')};
    if (!read_raw(offset + kHeaderSize + skip, chunk.bytes.data(), n)) {
      return sdk::data_loss("the output's spill file cannot be read");
    }
    chunks.push_back(std::move(chunk));
    left -= n;
    skip += static_cast<uint32_t>(n);
    if (skip == header.size) {
      offset += kHeaderSize + header.size;
      skip = 0;
    }
  }
  next = LogCursor{offset, skip, false};
  return {};
}

}  // namespace berth::process
