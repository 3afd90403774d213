// SPDX-License-Identifier: Apache-2.0
// Where a socket listens or connects: "host:port" and paths of unix sockets as the kernel has them.
// Thread-safe: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

#include "base/result.hpp"

namespace berth::http {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct HostPort {
  std::string host;  // without the brackets of "[::1]"
  std::uint16_t port = 0;
};

// "host:port" or "[v6]:port"; INVALID_ARGUMENT says what is expected.
Result<HostPort> split_host_port(std::string_view text);

// INVALID_ARGUMENT if the path is empty, has a NUL or exceeds the 107 bytes the kernel takes.
Result<SocketAddress> unix_address(std::string_view path);

// The address if `host` is a literal IPv4 or IPv6 address.
std::optional<SocketAddress> literal_address(const std::string& host, std::uint16_t port);

// Resolves a name for listening. Blocks; for the start only.
Result<std::vector<SocketAddress>> resolve_to_listen(const HostPort& address);

}  // namespace berth::http
