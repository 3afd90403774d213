// SPDX-License-Identifier: Apache-2.0
// What the sandboxer asks of a zygote (sandboxer/zygote.hpp) and what it answers, over the
// SOCK_SEQPACKET pair that the zygote has at kControlFd. One letter, then the fields:
//
//   zygote → sandboxer  'R' u32 text   ready: its kProtocolVersion, and what modules could not be
//                                      imported, for people
//   sandboxer → zygote  'F' Fork       with the descriptors named there
//   zygote → sandboxer  'P' Forked     the child's pid, or what clone refused
//
// A sandboxer outlives upgrades and may meet a newer zygote: it uses none of another version, so
// kProtocolVersion (protocol.hpp) covers Fork, Forked and the shells' conversation too. Pure
// functions, safe on any thread.
#pragma once

#include <cstdint>
#include <linux/filter.h>
#include <vector>

#include "wire.hpp"

namespace berth::process {

// A sandbox to be forked. Descriptors come along in this order: control, output, errors, the
// network namespace if `has_network`, the v2 cgroup if `has_v2_cgroup`, and the v1 tasks files.
struct Fork {
  uint64_t serial = 0;  // names it in the answer
  bool has_network = false;
  bool new_network = false;
  bool has_v2_cgroup = false;
  bool privileged = false;
  uint64_t writable_bytes = 0;
  uint64_t writable_inodes = 0;
  uint32_t open_files = 0;
  std::vector<sock_filter> filter;
};
void encode(Writer& out, const Fork& m);
bool decode(Reader& in, Fork& m);

struct Forked {
  uint64_t serial = 0;
  int32_t pid = 0;  // as the sandboxer sees it; negative: -errno
};
void encode(Writer& out, const Forked& m);
bool decode(Reader& in, Forked& m);

}  // namespace berth::process
