// SPDX-License-Identifier: Apache-2.0
#include "common/first_byte.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/unique_fd.hpp"

namespace berth::bench {
namespace {

constexpr std::string_view kRequest =
    "POST /run HTTP/1.1\r\nHost: function\r\nContent-Type: application/json\r\nContent-Length: "
    "12\r\n\r\n"
    "{\"value\":{}}";
constexpr int kTimeoutMs = 60'000;

UniqueFd dial(const std::string& address) {
  if (address.starts_with("unix:")) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, address.c_str() + 5, sizeof name.sun_path - 1);
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) fd.reset();
    return fd;
  }
  const std::size_t colon = address.rfind(':');
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(6, colon - 6).c_str(), &name.sin_addr);
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) fd.reset();
  return fd;
}

}  // namespace

void wait_for_first_byte(const std::string& address) {
  const UniqueFd fd = dial(address);
  if (!fd) throw std::runtime_error("cannot connect to " + address);
  if (send(fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size())) {
    throw std::runtime_error("cannot send to " + address);
  }
  pollfd waiting{fd.get(), POLLIN, 0};
  char byte;
  if (poll(&waiting, 1, kTimeoutMs) != 1 || recv(fd.get(), &byte, 1, 0) != 1) {
    throw std::runtime_error("no reply from " + address);
  }
}

void post(const std::string& address, const std::string& path, const std::string& body) {
  const UniqueFd fd = dial(address);
  const std::string request = "POST " + path +
                              " HTTP/1.1\r\nHost: function\r\nConnection: close\r\n"
                              "Content-Type: application/json\r\nContent-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body;
  if (!fd || send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
                 static_cast<ssize_t>(request.size())) {
    throw std::runtime_error("cannot send to " + address);
  }
  std::string reply;
  char buffer[4096];
  for (ssize_t n; (n = recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    reply.append(buffer, static_cast<std::size_t>(n));
  }
  if (!reply.starts_with("HTTP/1.1 200")) {
    throw std::runtime_error(path + " answered " + reply.substr(0, 400));
  }
}

}  // namespace berth::bench
