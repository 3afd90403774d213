// SPDX-License-Identifier: Apache-2.0
// Cgroups: limits, freezing and out-of-memory news for sandboxes, on cgroup v1, v2 or hybrid hosts.
//
// The layout is found at run time, hierarchy by hierarchy: each controller we want (memory, pids,
// cpu, freezing) is used where it is mounted and where we may create groups, which is beneath the
// group this process runs in; so a systemd unit with Delegate=yes and a plain root shell both work.
// Freezing prefers v2 (one write, ~10 us) to v1's freezer even when everything else is on v1. A
// controller we cannot have is not an error here but is told in `enforcement`.
//
// All groups of one sandboxer stand in one directory per hierarchy, named after its data directory.
// Descriptors of these directories are kept, so the class works after the process left the host's
// mount namespace. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

// One mounted hierarchy and the directory of the group this process is in.
struct CgroupHierarchy {
  bool v2 = false;
  std::string directory;  // absolute
  std::string mount_point;
  std::vector<std::string> controllers;  // v1 only: what is mounted there
  bool operator==(const CgroupHierarchy&) const = default;
};

// Reads the layout out of the texts of /proc/self/mountinfo and /proc/self/cgroup.
std::vector<CgroupHierarchy> find_cgroup_hierarchies(std::string_view mountinfo,
                                                     std::string_view self_cgroup);

struct CgroupLimits {
  uint64_t memory_bytes = 0;  // 0: none
  uint32_t cpu_shares = 1024;
  uint32_t cpu_quota_millis = 0;  // 0: none
  uint32_t pids = 0;              // 0: none
  bool operator==(const CgroupLimits&) const = default;
};

enum class FreezeState { kThawed, kFreezing, kFrozen, kError };

class Cgroups {
 public:
  Cgroups() = default;

  // Makes the base directory `name` in each hierarchy that offers something. Never fails as a
  // whole.
  void open(const std::vector<CgroupHierarchy>& hierarchies, const std::string& name);

  // Kills what runs in the groups below these base directories and removes both; for what a killed
  // sandboxer left, perhaps started from within other cgroups than we are. Waits up to
  // `timeout_ms`.
  static void remove_stale(const std::vector<std::string>& base_paths, int timeout_ms);
  // Removes the empty base directories.
  void remove_base();

  // What works here. `detail` names what does not and the mend.
  Enforcement enforcement() const;
  // Absolute paths of the base directories.
  std::vector<std::string> base_paths() const;

  // Makes one group everywhere. On failure nothing is left.
  sdk::Status create(const std::string& group);
  // Removes it; false if it is still busy (try again later).
  bool remove(const std::string& group);

  // Directory descriptor for clone3's CLONE_INTO_CGROUP, invalid if there is no v2 here.
  UniqueFd open_v2(const std::string& group) const;
  // Descriptors of the v1 `tasks` files; a process writes "0" to each to move itself in, which is
  // the fast way: it alone needs no lock over all threads of the system.
  std::vector<UniqueFd> open_v1_tasks(const std::string& group) const;

  // Writes those limits that differ from `applied` and updates it.
  sdk::Status set_limits(const std::string& group, const CgroupLimits& limits,
                         CgroupLimits& applied) const;

  // Starts freezing or thaws; then ask `freeze_state`. Returns 0 or an errno.
  int freeze(const std::string& group, bool frozen) const;
  FreezeState freeze_state(const std::string& group) const;
  // On v1 a frozen process does not die of SIGKILL until thawed.
  bool kill_needs_thaw() const { return !freezer_v2_; }

  // What the group uses now, without its limit.
  UsageReply usage(const std::string& group) const;
  // How many processes the kernel killed in the group for want of memory.
  uint64_t oom_kills(const std::string& group) const;
  // How many forks the kernel refused in the group because of its limit of processes.
  uint64_t refused_forks(const std::string& group) const;
  // v1 only: an eventfd that becomes readable when the group runs out of memory (v2 kills the whole
  // group by itself). Invalid where there is none.
  UniqueFd watch_oom(const std::string& group) const;

 private:
  struct Base {
    UniqueFd fd;
    UniqueFd parent;  // to remove the base by name from wherever this process is by then
    std::string path;
    bool v2 = false;
  };

  const Base* role(int index) const {
    return index < 0 ? nullptr : &bases_[static_cast<size_t>(index)];
  }
  void open_v2(const CgroupHierarchy& hierarchy, const std::string& name);
  std::string enable_v2_controllers(const std::string& directory);
  int add_base(const std::string& path, bool v2);

  std::vector<Base> bases_;
  int memory_ = -1;  // indices into bases_, -1: not available
  int pids_ = -1;
  int cpu_ = -1;
  int freezer_ = -1;
  bool freezer_v2_ = false;
  bool swap_limited_ = false;
  std::vector<std::string> problems_;
};

}  // namespace berth::process
