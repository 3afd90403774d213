// SPDX-License-Identifier: Apache-2.0
#include "fork_request.hpp"

#include <cstring>

namespace berth::process {

void encode(Writer& out, const Fork& m) {
  out.u64(m.serial);
  out.u8(m.has_network ? 1 : 0);
  out.u8(m.new_network ? 1 : 0);
  out.u8(m.has_v2_cgroup ? 1 : 0);
  out.u8(m.privileged ? 1 : 0);
  out.u64(m.writable_bytes);
  out.u64(m.writable_inodes);
  out.u32(m.open_files);
  // One machine, one build: the kernel's own form.
  out.text({reinterpret_cast<const char*>(m.filter.data()), m.filter.size() * sizeof(sock_filter)});
}

bool decode(Reader& in, Fork& m) {
  m.serial = in.u64();
  m.has_network = in.u8() != 0;
  m.new_network = in.u8() != 0;
  m.has_v2_cgroup = in.u8() != 0;
  m.privileged = in.u8() != 0;
  m.writable_bytes = in.u64();
  m.writable_inodes = in.u64();
  m.open_files = in.u32();
  const std::string_view filter = in.view();
  if (!in.ok() || !in.at_end() || filter.empty() || filter.size() % sizeof(sock_filter) != 0) {
    return false;
  }
  m.filter.resize(filter.size() / sizeof(sock_filter));
  std::memcpy(m.filter.data(), filter.data(), filter.size());
  return true;
}

void encode(Writer& out, const Forked& m) {
  out.u64(m.serial);
  out.i32(m.pid);
}

bool decode(Reader& in, Forked& m) {
  m.serial = in.u64();
  m.pid = in.i32();
  return in.ok() && in.at_end();
}

}  // namespace berth::process
