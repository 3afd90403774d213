// SPDX-License-Identifier: Apache-2.0
#include "data_directory.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/ids.hpp"

namespace berth::daemon {
namespace {
constexpr std::size_t kOwnerBytes = 32;
}

Result<DataDirectory> DataDirectory::open(const std::filesystem::path& path) {
  if (path.empty() || path.is_relative()) {
    return sdk::invalid_argument("data_dir is not known: HOME is not set; give --data-dir");
  }
  Status made = make_private_directory(path);
  if (!made.ok()) return made.with_context("data_dir");
  const auto lock_path = path / "berthd.lock";
  UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) {
    return sdk::permission_denied(
        fmt::format("data_dir: cannot open {}: {}", lock_path.string(), errno_text(errno)));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const auto holder = read_file(lock_path);
    return sdk::failed_precondition(fmt::format(
        "data_dir {} is in use by another berthd (process {}): stop it or give another --data-dir",
        path.string(), holder && !holder->empty() ? *holder : "unknown"));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return sdk::resource_exhausted(
        fmt::format("data_dir: cannot write {}: {}", lock_path.string(), errno_text(errno)));
  }
  DataDirectory directory(path, std::move(lock));
  const auto owner_path = path / "owner";
  if (auto owner = read_file(owner_path, kOwnerBytes); owner && owner->size() == kOwnerBytes) {
    directory.owner_ = std::move(*owner);
    return directory;
  }
  directory.owner_ = random_hex(kOwnerBytes / 2);
  Status written = write_file_atomically(owner_path, directory.owner_);
  if (!written.ok()) return written.with_context("data_dir");
  return directory;
}

Status DataDirectory::write_api_host(const std::string& address) const {
  return write_file_atomically(path_ / "apihost", address + "\n");
}

Status DataDirectory::write_guest_key(const entity::AuthKey& key) const {
  return write_file_atomically(path_ / "guest.auth", key.uuid + ":" + key.secret + "\n");
}

void DataDirectory::remove_api_host() const {
  ::unlink((path_ / "apihost").c_str());
}

}  // namespace berth::daemon
