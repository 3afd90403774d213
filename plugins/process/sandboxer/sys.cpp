// SPDX-License-Identifier: Apache-2.0
#include "sys.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace berth::process::sys {
namespace {

int result(long value) {
  return value < 0 ? -errno : static_cast<int>(value);
}

constexpr size_t kMaxSmallFile = 1 << 20;

}  // namespace

int64_t clone_process(uint64_t flags, int& pidfd, int cgroup) {
  clone_args args{};
  args.flags = flags | CLONE_PIDFD;
  int fd = -1;
  args.pidfd = reinterpret_cast<uint64_t>(&fd);
  args.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup);
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid < 0) return -errno;
  if (pid > 0) pidfd = fd;
  return pid;
}

int pidfd_send_signal(int pidfd, int signal) {
  return result(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

int pidfd_open(pid_t pid) {
  return result(::syscall(SYS_pidfd_open, pid, 0));
}

int open_tree(int dirfd, const char* path, unsigned flags) {
  return result(::syscall(SYS_open_tree, dirfd, path, flags));
}

int move_mount(int from_fd, int to_dirfd, const char* to_path, unsigned flags) {
  return result(
      ::syscall(SYS_move_mount, from_fd, "", to_dirfd, to_path, flags | MOVE_MOUNT_F_EMPTY_PATH));
}

int set_mount_attributes(int dirfd, const char* path, uint64_t attributes, bool recursive) {
  mount_attr attr{};
  attr.attr_set = attributes;
  const unsigned flags =
      (recursive ? AT_RECURSIVE : 0) | (*path == '\0' ? AT_EMPTY_PATH : 0) | AT_SYMLINK_NOFOLLOW;
  return result(::syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof(attr)));
}

int pivot_root(const char* new_root, const char* put_old) {
  return result(::syscall(SYS_pivot_root, new_root, put_old));
}

int close_range(unsigned first, unsigned last) {
  return result(::syscall(SYS_close_range, first, last, 0));
}

int install_seccomp(const void* sock_fprog) {
  return result(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, sock_fprog));
}

int new_session_keyring() {
  constexpr int kJoinSessionKeyring = 1;
  return result(::syscall(SYS_keyctl, kJoinSessionKeyring, nullptr, 0, 0, 0));
}

int drop_all_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return result(::syscall(SYS_capset, &header, data));
}

std::string read_file_at(int dirfd, const char* path, int& error) {
  error = 0;
  UniqueFd fd(::openat(dirfd, path, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    error = errno;
    return {};
  }
  std::string text;
  char chunk[4096];
  while (text.size() < kMaxSmallFile) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof(chunk));
    if (n < 0) {
      if (errno == EINTR) continue;
      error = errno;
      return {};
    }
    if (n == 0) break;
    text.append(chunk, static_cast<size_t>(n));
  }
  return text;
}

int write_file_at(int dirfd, const char* path, std::string_view text) {
  UniqueFd fd(::openat(dirfd, path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno;
  for (;;) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n == static_cast<ssize_t>(text.size())) return 0;
    if (n >= 0) return EIO;
    if (errno != EINTR) return errno;
  }
}

int create_file_at(int dirfd, const char* path, std::string_view text, mode_t mode) {
  UniqueFd fd(::openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.valid()) return errno;
  // The umask must not decide what a sandbox can read.
  if (::fchmod(fd.get(), mode) != 0) return errno;
  while (!text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    text.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

uint64_t monotonic_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

int64_t realtime_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

std::string random_hex16() {
  uint64_t value = 0;
  while (::getrandom(&value, sizeof(value), 0) != sizeof(value)) {
  }
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace berth::process::sys
