// SPDX-License-Identifier: Apache-2.0
#include "support/file_io.hpp"

#include <cerrno>
#include <string>
#include <system_error>
#include <unistd.h>

namespace berth::support {

sdk::Status io_error(std::string_view what, const std::filesystem::path& path, int error,
                     const IoMends& mends) {
  const std::string text =
      std::string(what) + " " + path.string() + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE: return sdk::resource_exhausted(text + ": " + std::string(mends.room));
    case EACCES:
    case EPERM:
    case EROFS: return sdk::permission_denied(text + ": " + std::string(mends.permission));
    default: return sdk::failed_precondition(text);
  }
}

int write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

bool read_all(int fd, void* to, std::size_t bytes, std::uint64_t offset) {
  auto* at = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd, at, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace berth::support
