// SPDX-License-Identifier: Apache-2.0
#include "http/address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace berth::http {

Result<HostPort> split_host_port(std::string_view text) {
  const auto malformed = [text] {
    return sdk::invalid_argument("'" + std::string(text) +
                                 "' is no address: write host:port or [IPv6]:port");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  HostPort result;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc() || end != digits.data() + digits.size()) return malformed();
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed();
  }
  if (host.empty() ||
      host.find_first_of(std::string_view("\0/ @[]", 6)) != std::string_view::npos) {
    return malformed();
  }
  result.host = host;
  return result;
}

Result<SocketAddress> unix_address(std::string_view path) {
  SocketAddress address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.find('\0') != std::string_view::npos) {
    return sdk::invalid_argument("the path of a unix socket is empty or has a NUL");
  }
  if (path.size() >= sizeof un.sun_path) {
    return sdk::invalid_argument("'" + std::string(path) + "' is " + std::to_string(path.size()) +
                                 " bytes long, a unix socket's path has at most " +
                                 std::to_string(sizeof un.sun_path - 1) +
                                 ": use a shorter directory");
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

std::optional<SocketAddress> literal_address(const std::string& host, std::uint16_t port) {
  SocketAddress address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
    return address;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    return address;
  }
  return std::nullopt;
}

Result<std::vector<SocketAddress>> resolve_to_listen(const HostPort& address) {
  if (auto literal = literal_address(address.host, address.port)) {
    return std::vector<SocketAddress>{*literal};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    return sdk::invalid_argument("'" + address.host +
                                 "' cannot be resolved: " + ::gai_strerror(error));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress result;
    std::memcpy(&result.storage, entry->ai_addr, entry->ai_addrlen);
    result.size = entry->ai_addrlen;
    addresses.push_back(result);
  }
  ::freeaddrinfo(found);
  if (addresses.empty()) return sdk::invalid_argument("'" + address.host + "' has no address");
  return addresses;
}

}  // namespace berth::http
