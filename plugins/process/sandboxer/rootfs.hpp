// SPDX-License-Identifier: Apache-2.0
// The root of the sandboxes: a template mount namespace made once, of which every sandbox gets a
// copy.
//
// The template is an allowlist: a read-only tmpfs with a generated /etc, a few devices, /usr
// read-only with /bin, /sbin and /lib* as the host has them, and the runtimes. It is built in a
// process of its own in a new mount namespace that then pivots into it and detaches the host's
// tree, so that neither the sandboxer (which joins it) nor any sandbox (which copies it) has a path
// to the host at all; a sandbox adds its own /proc and its own writable /tmp and needs no
// pivot_root of its own.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

#include "berth/sdk/status.hpp"
#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

// What the sandboxer keeps of the host once it lives in the template.
struct HostView {
  UniqueFd mount_namespace;  // for building the next template
  UniqueFd root;             // O_PATH of the host's "/"
  UniqueFd proc;             // the host's /proc
};
sdk::Status open_host_view(HostView& host);

// Builds the template for these settings and moves the calling process into it.
// On failure the process stays where it was. `servers` are the name servers of network = "nat".
sdk::Status enter_new_template(const HostView& host, const Settings& settings,
                               const std::vector<uint32_t>& servers, bool privileged);

// Inside a new sandbox, a copy of the template: mounts /proc, with the entries masked that tell
// about the machine, and the writable layer at /tmp.
struct PrivateMounts {
  bool privileged = false;
  uint64_t writable_bytes = 0;
  uint64_t writable_inodes = 0;
};
sdk::Status mount_private(const PrivateMounts& mounts);

// The generated /etc, written below the directory `root` ("/etc" must not exist there yet). Reads
// the host's files by their usual paths.
sdk::Status write_etc(const std::string& root, Network network,
                      const std::vector<uint32_t>& servers);

inline constexpr uid_t kInnerId = 1000;  // uid and gid of the function inside its sandbox
inline constexpr const char* kRuntimesInside = "/berth/runtimes";

}  // namespace berth::process
