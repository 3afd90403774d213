// SPDX-License-Identifier: Apache-2.0
// Freezer: stops and resumes a container's processes through its cgroup, without asking the engine,
// where berthd runs on the engine's host and may write there. Belongs to the loop's thread; writes
// to cgroup files only, which do not wait.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::docker {

// The frozen state's file of one container.
class Freezer {
 public:
  // Looks for the cgroup of a container by the names that Docker gives, below `root` ("" for the
  // real /sys/fs/cgroup) and, if `pid` is its first process (0: unknown), by /proc. None if there
  // is no group that may be written.
  static std::optional<Freezer> find(std::string_view container_id, int pid,
                                     const std::string& root = "");

  // Begins. UNAVAILABLE if the group is gone.
  sdk::Status freeze();
  // All processes are stopped.
  bool frozen() const;
  sdk::Status thaw();
  // Neither frozen nor about to be.
  bool thawed() const;

 private:
  Freezer(std::string directory, bool v2) : directory_(std::move(directory)), v2_(v2) {}
  sdk::Status write(const char* file, std::string_view text) const;
  std::string read(const char* file) const;

  std::string directory_;
  bool v2_;
};

}  // namespace berth::docker
