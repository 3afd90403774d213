// SPDX-License-Identifier: Apache-2.0
#include "packet_socket.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <sys/socket.h>

#include "protocol.hpp"

namespace berth::process {
sdk::Status from_errno(const std::string& what, int error) {
  auto code = sdk::StatusCode::kInternal;
  uint32_t flags = 0;
  switch (error) {
    case EPERM:
    case EACCES: code = sdk::StatusCode::kPermissionDenied; break;
    case ENOENT: code = sdk::StatusCode::kNotFound; break;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      code = sdk::StatusCode::kResourceExhausted;
      flags = sdk::kRetryable;
      break;
    default: break;
  }
  return sdk::Status(code, what + ": " + std::strerror(error), flags);
}

int send_packet(int socket, std::string_view bytes, int fd) {
  return fd < 0 ? send_packet(socket, bytes, std::vector<int>{})
                : send_packet(socket, bytes, std::vector<int>{fd});
}

int send_packet(int socket, std::string_view bytes, const std::vector<int>& fds) {
  if (fds.size() > kMaxPacketFds) return EINVAL;
  iovec io{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)] = {};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

Received receive_packet(int socket, std::string& bytes, std::vector<UniqueFd>& fds) {
  // Not cleared, which would take longer than all the rest.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kMaxPacket);
  iovec io{buffer.get(), kMaxPacket};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPacketFds)];
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? Received::kNothing : Received::kError;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  if (n == 0) return Received::kClosed;
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Received::kError;
  bytes.assign(buffer.get(), static_cast<size_t>(n));
  return Received::kPacket;
}

int64_t peer_uid(int socket) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  return credentials.uid;
}

bool unix_address(std::string_view path, sockaddr_un& address, socklen_t& length) {
  if (path.empty() || path.size() > kMaxSocketPath) return false;
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return true;
}

}  // namespace berth::process
