// SPDX-License-Identifier: Apache-2.0
// `SealedFile`: a copy of a file in memory that nobody can change any more, not even we. What was
// checked in it is what is loaded, and a file that is overwritten meanwhile cannot crash us.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace berth::plugin {

class SealedFile {
 public:
  // Copies all that can be read from `fd`, at most `max_bytes` (else RESOURCE_EXHAUSTED, not
  // retryable). `name` shows in /proc/self/maps.
  static Result<SealedFile> copy(int fd, const std::string& name, std::uint64_t max_bytes);

  SealedFile() = default;
  ~SealedFile();
  SealedFile(SealedFile&& other) noexcept;
  SealedFile& operator=(SealedFile&& other) noexcept;

  // Valid as long as this object (moving it keeps them valid).
  std::span<const std::byte> bytes() const { return bytes_; }
  // 64 lower-case hex digits.
  const std::string& sha256() const { return sha256_; }
  // A path by which this process, and only while this object lives, opens the copy.
  std::string path() const;
  int fd() const { return fd_.get(); }
  // Leaves the descriptor open for ever, so that its number is not used again.
  void keep_open() { fd_.release(); }

 private:
  UniqueFd fd_;
  std::span<const std::byte> bytes_;
  std::string sha256_;
};

}  // namespace berth::plugin
