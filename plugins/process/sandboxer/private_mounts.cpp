// SPDX-License-Identifier: Apache-2.0
// The mounts that are a sandbox's own; runs in the sandbox, forked from the sandboxer or a zygote.
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "rootfs.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

sdk::Status mount_proc(bool privileged) {
  constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (privileged) {
    if (::mount("proc", "/proc", "proc", kFlags, nullptr) != 0) {
      return from_errno("cannot mount /proc", errno);
    }
    return {};
  }
  // Mounted beside the host's, which must still be visible at that moment, and then put in its
  // place.
  if (::mount("proc", "/tmp", "proc", kFlags, nullptr) != 0) {
    return from_errno("cannot mount /proc (in a container, start that one with an unmasked /proc)",
                      errno);
  }
  if (::umount2("/proc", MNT_DETACH) != 0)
    return from_errno("cannot detach the host's /proc", errno);
  if (::mount("/tmp", "/proc", nullptr, MS_MOVE, nullptr) != 0) {
    return from_errno("cannot move /proc into place", errno);
  }
  return {};
}

// Entries about the machine and not about the sandbox's processes.
constexpr const char* kMaskedFiles[] = {
    "/proc/kcore",         "/proc/keys",       "/proc/key-users",   "/proc/kallsyms",
    "/proc/kmsg",          "/proc/timer_list", "/proc/sched_debug", "/proc/sysrq-trigger",
    "/proc/latency_stats", "/proc/interrupts"};
constexpr const char* kMaskedDirectories[] = {"/proc/acpi", "/proc/bus", "/proc/fs", "/proc/irq",
                                              "/proc/scsi"};

sdk::Status mask_proc() {
  for (const char* file : kMaskedFiles) {
    if (::mount("/dev/null", file, nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT) {
      return from_errno(std::string("cannot mask ") + file, errno);
    }
  }
  for (const char* directory : kMaskedDirectories) {
    if (::mount("/berth/empty", directory, nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT) {
      return from_errno(std::string("cannot mask ") + directory, errno);
    }
  }
  if (::mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) != 0) {
    return from_errno("cannot bind /proc/sys", errno);
  }
  if (int e = sys::set_mount_attributes(
          AT_FDCWD, "/proc/sys",
          MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, false);
      e < 0) {
    return from_errno("cannot make /proc/sys read-only", -e);
  }
  return {};
}

}  // namespace

sdk::Status mount_private(const PrivateMounts& mounts) {
  if (auto s = mount_proc(mounts.privileged); !s.ok()) return s;
  if (auto s = mask_proc(); !s.ok()) return s;
  char options[128];
  std::snprintf(options, sizeof(options), "mode=1777,size=%llu,nr_inodes=%llu",
                static_cast<unsigned long long>(mounts.writable_bytes),
                static_cast<unsigned long long>(mounts.writable_inodes));
  if (::mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
    return from_errno("cannot mount the writable layer", errno);
  }
  // /dev/shm leads here, so that shared memory counts against the same limit.
  // The umask must not decide who may write there.
  if (::mkdir("/tmp/.shm", 01777) != 0 || ::chmod("/tmp/.shm", 01777) != 0) {
    return from_errno("cannot create /tmp/.shm", errno);
  }
  return {};
}

}  // namespace berth::process
