// SPDX-License-Identifier: Apache-2.0
// Thin C++ faces of the system calls that the C library does not wrap (or wraps too late), and of
// small file reads and writes relative to a directory descriptor. No state; errors are errno values
// or a Status. Everything here is safe in a forked child of the single-threaded sandboxer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "berth/sdk/status.hpp"
#include "protocol/packet_socket.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process::sys {

// clone3 as fork: returns the pid in the parent and 0 in the child, or -errno. `pidfd` is set in
// the parent. `cgroup` is a cgroup v2 directory descriptor the child is born into, or -1.
int64_t clone_process(uint64_t flags, int& pidfd, int cgroup);

// All return 0 or -errno, descriptors and pids as they are.
int pidfd_send_signal(int pidfd, int signal);
int pidfd_open(pid_t pid);
int open_tree(int dirfd, const char* path, unsigned flags);
int move_mount(int from_fd, int to_dirfd, const char* to_path, unsigned flags);
// Sets attributes (MOUNT_ATTR_...) of a mount, with `recursive` of all below too.
int set_mount_attributes(int dirfd, const char* path, uint64_t attributes, bool recursive);
int pivot_root(const char* new_root, const char* put_old);
int close_range(unsigned first, unsigned last);
int install_seccomp(const void* sock_fprog);
int new_session_keyring();
int drop_all_capabilities();

// Reads a whole small file (at most 1 MiB). An errno in `error` and an empty result on failure.
std::string read_file_at(int dirfd, const char* path, int& error);
// Writes to an existing file in one write(2). Returns 0 or an errno.
int write_file_at(int dirfd, const char* path, std::string_view text);
// Creates or replaces a file with this content and mode. Returns 0 or an errno.
int create_file_at(int dirfd, const char* path, std::string_view text, mode_t mode);

// Nanoseconds of CLOCK_MONOTONIC and of CLOCK_REALTIME.
uint64_t monotonic_ns();
int64_t realtime_ns();

// 16 lower-case hex digits of randomness.
std::string random_hex16();

}  // namespace berth::process::sys
