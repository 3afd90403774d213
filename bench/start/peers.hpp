// SPDX-License-Identifier: Apache-2.0
// What else starts a program in a sandbox on this machine, and the kernel's own freezer: peers of
// the process plugin. Everything throws std::runtime_error.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace berth::bench {

struct Peer {
  std::string name;                  // of the metric
  std::function<double()> start_us;  // one start of the native proxy to its first HTTP byte
};

// bubblewrap, crun and runc, as far as they are installed, as root. `work` is for sockets and the
// OCI bundle; `native` is the static native proxy.
std::vector<Peer> installed_peers(const std::filesystem::path& native,
                                  const std::filesystem::path& work);

// Whether the process plugin's network = "nat" can be had: as root, with nftables.
bool can_nat();

// net.ipv4.ip_forward, put back at the end as it was.
class KeptForwarding {
 public:
  KeptForwarding();
  ~KeptForwarding();
  KeptForwarding(const KeptForwarding&) = delete;
  KeptForwarding& operator=(const KeptForwarding&) = delete;

 private:
  std::string before_;
};

// A process in a cgroup of its own, frozen and thawed by writing to the freezer.
class RawFreezer {
 public:
  RawFreezer();
  ~RawFreezer();
  RawFreezer(const RawFreezer&) = delete;
  RawFreezer& operator=(const RawFreezer&) = delete;
  // Freezes, waits until it is frozen, and thaws; microseconds.
  double pause_resume_us();
  // The thaw alone: its file opened, written to and closed.
  double resume_us();
  // Of the thaw the write alone, to a file that is kept open.
  double write_us();

 private:
  void freeze();
  void thaw();
  std::filesystem::path file() const;

  std::filesystem::path group_;
  int kept_ = -1;  // the open file
  bool v2_ = false;
  int child_ = -1;
};

}  // namespace berth::bench
