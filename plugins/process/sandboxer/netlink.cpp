// SPDX-License-Identifier: Apache-2.0
#include "netlink.hpp"

#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/packet_socket.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {
namespace {

// The kernel answers each request of a batch before sendmsg returns, so that many answers must fit
// the socket's buffer; each counts with its bookkeeping.
constexpr int kReceiveBuffer = 1 << 20;

std::string words_of(const nlmsghdr* header) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  size_t at = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
    const auto* e = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
    at += e->msg.nlmsg_len - NLMSG_HDRLEN;
  }
  const char* bytes = reinterpret_cast<const char*>(header);
  while (at + NLA_HDRLEN <= header->nlmsg_len) {
    nlattr attribute;
    std::memcpy(&attribute, bytes + at, sizeof(attribute));
    if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > header->nlmsg_len) break;
    if (attribute.nla_type == NLMSGERR_ATTR_MSG) {
      const size_t size = attribute.nla_len - NLA_HDRLEN;
      return std::string(bytes + at + NLA_HDRLEN, ::strnlen(bytes + at + NLA_HDRLEN, size));
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return {};
}

}  // namespace

void NetlinkBatch::pad() {
  data_.resize((data_.size() + 3) & ~size_t{3});
}

void NetlinkBatch::grow_message() {
  pad();
  const auto length = static_cast<uint32_t>(data_.size() - message_);
  std::memcpy(data_.data() + message_, &length, sizeof(length));
}

void NetlinkBatch::begin_message(uint16_t type, uint16_t flags, const void* body, size_t size) {
  message_ = data_.size();
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST | NLM_F_ACK);
  header.nlmsg_seq = ++messages_;
  data_.append(reinterpret_cast<const char*>(&header), sizeof(header));
  data_.append(static_cast<const char*>(body), size);
  grow_message();
}

void NetlinkBatch::bytes(uint16_t type, const void* data, size_t size) {
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + size), type};
  data_.append(reinterpret_cast<const char*>(&header), sizeof(header));
  data_.append(static_cast<const char*>(data), size);
  grow_message();
}

void NetlinkBatch::text(uint16_t type, std::string_view value) {
  const std::string copy(value);
  bytes(type, copy.c_str(), copy.size() + 1);
}

void NetlinkBatch::address(uint16_t type, uint32_t ipv4) {
  u32(type, htonl(ipv4));
}

size_t NetlinkBatch::begin(uint16_t type) {
  const size_t at = data_.size();
  bytes(static_cast<uint16_t>(type | NLA_F_NESTED), "", 0);
  return at;
}

void NetlinkBatch::end(size_t nest) {
  const auto length = static_cast<uint16_t>(data_.size() - nest);
  std::memcpy(data_.data() + nest, &length, sizeof(length));
  grow_message();
}

void NetlinkBatch::raw(const void* data, size_t size) {
  data_.append(static_cast<const char*>(data), size);
  grow_message();
}

sdk::Status run_netlink(const NetlinkBatch& batch, int* failed) {
  if (failed != nullptr) *failed = 0;
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return from_errno("cannot open a netlink socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof(kReceiveBuffer));
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t n;
  do {
    n = ::sendto(fd.get(), batch.data().data(), batch.data().size(), 0,
                 reinterpret_cast<const sockaddr*>(&kernel), sizeof(kernel));
  } while (n < 0 && errno == EINTR);
  if (n < 0) return from_errno("cannot configure the network", errno);

  sdk::Status status;
  uint32_t answers = 0;
  alignas(nlmsghdr) char buffer[8192];
  while (answers < batch.messages()) {
    n = ::recv(fd.get(), buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return from_errno("no answer about the network's configuration", errno);
    auto left = static_cast<uint32_t>(n);
    for (const auto* h = reinterpret_cast<const nlmsghdr*>(buffer); NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      ++answers;
      const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
      if (error == 0 || !status.ok()) continue;
      if (failed != nullptr) *failed = error;
      const std::string words = words_of(h);
      status = from_errno("the kernel refuses a network's configuration" +
                              (words.empty() ? "" : " (" + words + ")"),
                          error);
    }
  }
  return status;
}

}  // namespace berth::process
