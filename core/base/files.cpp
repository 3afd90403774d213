// SPDX-License-Identifier: Apache-2.0
#include "base/files.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace berth {
namespace {

Status file_error(std::string_view what, const std::filesystem::path& path, int error) {
  const std::string message = std::string(what) + " " + path.string() + ": " + errno_text(error);
  switch (error) {
    case ENOENT: return sdk::not_found(message);
    case EACCES:
    case EPERM:
    case EROFS: return sdk::permission_denied(message);
    case ENOSPC:
    case EDQUOT: return sdk::resource_exhausted(message);
    default: return sdk::failed_precondition(message);
  }
}

Status write_all(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return file_error("cannot write", path, errno);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return file_error("cannot open", path, errno);
  std::string content;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      return file_error("cannot read", path, errno);
    }
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > max_bytes) {
      return sdk::failed_precondition(path.string() + " is longer than " +
                                      std::to_string(max_bytes) + " bytes");
    }
  }
}

Status write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::string temporary = path.string() + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!fd) return file_error("cannot create", temporary, errno);
  Status status = write_all(fd.get(), content, temporary);
  if (status.ok() && ::fsync(fd.get()) != 0) status = file_error("cannot sync", temporary, errno);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = file_error("cannot replace", path, errno);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  const UniqueFd directory(
      ::open(path.has_parent_path() ? path.parent_path().c_str() : ".", O_RDONLY | O_CLOEXEC));
  if (directory) ::fsync(directory.get());
  return {};
}

Status make_private_directory(const std::filesystem::path& path) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return file_error("cannot create directory", path.parent_path(), error.value());
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return file_error("cannot create directory", path, errno);
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return file_error("cannot look at", path, errno);
  if (!S_ISDIR(facts.st_mode)) {
    return sdk::failed_precondition(path.string() + " is not a directory: name another one");
  }
  if (facts.st_uid != ::geteuid()) {
    return sdk::permission_denied(
        path.string() + " belongs to uid " + std::to_string(facts.st_uid) + ", not to uid " +
        std::to_string(::geteuid()) + ": run as its owner or name another directory");
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    return sdk::permission_denied(path.string() + " is not writable by uid " +
                                  std::to_string(::geteuid()) + ": run chmod u+rwx " +
                                  path.string());
  }
  return {};
}

}  // namespace berth
