// SPDX-License-Identifier: Apache-2.0
// Requests to the kernel's network configuration (rtnetlink), several in one system call: a batch
// is written message by message, attribute by attribute, and then carried out.
//
//   NetlinkBatch batch;
//   batch.message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
//   batch.text(IFLA_IFNAME, "br0");
//   const size_t info = batch.begin(IFLA_LINKINFO);
//   batch.text(IFLA_INFO_KIND, "bridge");
//   batch.end(info);
//   auto status = run_netlink(batch);
//
// Not thread-safe; usable in a forked child.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::process {

class NetlinkBatch {
 public:
  // Begins a request. `body` is the fixed part that follows the header for this type.
  template <typename Body>
  void message(uint16_t type, uint16_t flags, const Body& body) {
    begin_message(type, flags, &body, sizeof(body));
  }
  // Attributes of the last request, or of what was begun in it and not ended.
  void bytes(uint16_t type, const void* data, size_t size);
  void text(uint16_t type, std::string_view value);  // with the zero byte at its end
  void u8(uint16_t type, uint8_t value) { bytes(type, &value, sizeof(value)); }
  void u32(uint16_t type, uint32_t value) { bytes(type, &value, sizeof(value)); }
  void u64(uint16_t type, uint64_t value) { bytes(type, &value, sizeof(value)); }
  void address(uint16_t type, uint32_t ipv4);  // to the network's byte order
  // A nest: what is added until end() is inside it. `fixed` bytes are left for the caller's struct.
  size_t begin(uint16_t type);
  void end(size_t nest);
  // A struct inside a nest that is no attribute (VETH_INFO_PEER).
  void raw(const void* data, size_t size);

  const std::string& data() const { return data_; }
  uint32_t messages() const { return messages_; }

 private:
  void begin_message(uint16_t type, uint16_t flags, const void* body, size_t size);
  void pad();
  void grow_message();

  std::string data_;
  size_t message_ = 0;  // where the last header is
  uint32_t messages_ = 0;
};

// Carries a batch out in the calling thread's network namespace; all requests are tried. The status
// is that of the first that failed, with the kernel's own words where it has some; `error`, if not
// null, takes its errno, else 0.
sdk::Status run_netlink(const NetlinkBatch& batch, int* error = nullptr);

}  // namespace berth::process
