// SPDX-License-Identifier: Apache-2.0
// A file of gzip members, each of which holds up to kBlockBytes and says in its header (RFC 1952's
// extra field "Bh") how long it is on disk and unpacked. zcat reads the whole; we read any place of
// it by unpacking one member. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "support/unique_fd.hpp"

namespace berth::file {

class GzipBlocks {
 public:
  static constexpr std::uint32_t kBlockBytes = 1024 * 1024;

  // Packs the first `bytes` of `from` into a new file at `path`. After a crash there is the whole
  // file or none. `stop` is looked at between blocks: true gives up with CANCELLED.
  static sdk::Status pack(int from, std::uint64_t bytes, const std::filesystem::path& path,
                          const bool* stop = nullptr);
  // Null if the file is not there, or its members' headers are not ours or do not fit together.
  static std::unique_ptr<GzipBlocks> open(const std::filesystem::path& path);

  // Unpacked, and on disk.
  std::uint64_t size() const { return size_; }
  std::uint64_t disk_size() const { return disk_size_; }
  // Reads exactly `bytes` at `offset` of what was packed. False at the end or if it is damaged.
  bool read(char* to, std::size_t bytes, std::uint64_t offset) const;

  // One member: what is in it, or false. For tests and fuzzing, too.
  static bool unpack(std::string_view member, std::string& to);

 private:
  struct Block {
    std::uint64_t at = 0;  // on disk
    std::uint32_t disk_bytes = 0;
    std::uint32_t bytes = 0;
    std::uint64_t offset = 0;  // unpacked
  };
  GzipBlocks() = default;
  std::shared_ptr<const std::string> unpacked(std::size_t block) const;

  support::UniqueFd fd_;
  std::vector<Block> blocks_;
  std::uint64_t size_ = 0;
  std::uint64_t disk_size_ = 0;
  mutable std::mutex mutex_;
  mutable std::size_t last_block_ = 0;               // guarded by mutex_
  mutable std::shared_ptr<const std::string> last_;  // guarded by mutex_
};

}  // namespace berth::file
