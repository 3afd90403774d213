// SPDX-License-Identifier: Apache-2.0
// The data directory: made private, held by one berthd at a time, with the small files by which the
// berth CLI finds address and key. Not thread-safe, but for the write_ functions.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "entity/identity.hpp"

namespace berth::daemon {

// The namespace that the first start makes, whose key lies in a file here.
inline constexpr const char* kGuest = "guest";

class DataDirectory {
 public:
  // Makes the directory (0700) and takes its lock, which is held as long as the object lives.
  // Errors name the directory and the mend; a held lock names the process that holds it.
  static Result<DataDirectory> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "berth.db"; }
  std::filesystem::path ledger() const { return path_ / "containers.ledger"; }
  // Random, made once: tells this directory's containers from those of another berthd on the
  // engine.
  const std::string& owner() const { return owner_; }
  std::filesystem::path admin_socket() const { return path_ / "admin.sock"; }
  // A plugin's own folder.
  std::filesystem::path plugin(const std::string& name) const { return path_ / "plugins" / name; }

  // Writes the address, e.g. "http://127.0.0.1:3233", for the CLI.
  Status write_api_host(const std::string& address) const;
  // Writes "uuid:secret" of the namespace guest, mode 0600.
  Status write_guest_key(const entity::AuthKey& key) const;
  // Removes the address, so that the CLI does not try a berthd that has stopped.
  void remove_api_host() const;

 private:
  DataDirectory(std::filesystem::path path, UniqueFd lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;
  std::string owner_;
};

}  // namespace berth::daemon
