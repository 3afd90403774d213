// SPDX-License-Identifier: Apache-2.0
// Sending and receiving whole packets, with descriptors, on a SOCK_SEQPACKET socket, and finding
// out who sits at the other end. Free functions without state; one socket may be written from
// several threads (a packet is atomic) but should be read from one.
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <sys/un.h>
#include <vector>

#include "berth/sdk/status.hpp"
#include "unique_fd.hpp"

namespace berth::process {

// A Status for a failed system call: its message is "what: text of errno".
sdk::Status from_errno(const std::string& what, int error);

// Sends one packet without waiting, and `fd` with it if it is not -1. Returns 0 or an errno; EAGAIN
// means the peer's queue is full and nothing was sent. `fd` stays the caller's.
int send_packet(int socket, std::string_view bytes, int fd = -1);
// The same with any number of descriptors up to kMaxPacketFds, in this order.
int send_packet(int socket, std::string_view bytes, const std::vector<int>& fds);
inline constexpr size_t kMaxPacketFds = 32;

enum class Received { kPacket, kNothing, kClosed, kError };
// Receives one packet without waiting into `bytes` (resized to it). Descriptors that came along
// are appended to `fds`, close-on-exec. A packet longer than kMaxPacket is kError.
Received receive_packet(int socket, std::string& bytes, std::vector<UniqueFd>& fds);

// The effective uid of the peer at the time it connected, or -1.
int64_t peer_uid(int socket);

// Fills a socket address. False if the path does not fit (107 bytes).
bool unix_address(std::string_view path, sockaddr_un& address, socklen_t& length);
inline constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

}  // namespace berth::process
