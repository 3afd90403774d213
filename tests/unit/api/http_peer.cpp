// SPDX-License-Identifier: Apache-2.0
#include "http_peer.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.hpp"

namespace berth::api {

std::string Reply::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

boost::json::value Reply::json() const {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(body, error);
  return error ? boost::json::value() : value;
}

std::string Reply::error() const {
  const boost::json::value value = json();
  if (!value.is_object()) return {};
  const auto* text = value.get_object().if_contains("error");
  return text != nullptr && text->is_string() ? std::string(text->get_string()) : std::string();
}

namespace {

// A connection on which the request was sent, or -1.
int send_request(std::uint16_t port, const std::string& method, const std::string& target,
                 const Headers& headers, const std::string& body) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  std::string text =
      method + ' ' + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() || method == "PUT" || method == "POST") {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  text += "\r\n" + body;
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<std::size_t>(n);
  }
  return fd;
}

}  // namespace

void send_and_hang_up(std::uint16_t port, const std::string& method, const std::string& target,
                      const Headers& headers) {
  const int fd = send_request(port, method, target, headers, "");
  if (fd >= 0) ::close(fd);
}

Reply ask(std::uint16_t port, const std::string& method, const std::string& target,
          const Headers& headers, const std::string& body) {
  Reply reply;
  const int fd = send_request(port, method, target, headers, body);
  if (fd < 0) return reply;
  std::string received;
  char buffer[65536];
  for (ssize_t n = 0; (n = ::read(fd, buffer, sizeof buffer)) > 0;) {
    received.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);

  const std::size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos || received.size() < 12) return reply;
  reply.status = std::stoi(received.substr(9, 3));
  std::size_t at = received.find("\r\n") + 2;
  while (at < end + 2) {
    const std::size_t line_end = received.find("\r\n", at);
    const std::string line = received.substr(at, line_end - at);
    const std::size_t colon = line.find(": ");
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    reply.headers.emplace(std::move(name), line.substr(colon + 2));
    at = line_end + 2;
  }
  reply.body = received.substr(end + 4);
  return reply;
}

std::string basic(const std::string& key) {
  return "Basic " + base64_encode(key);
}

}  // namespace berth::api
