// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <netinet/tcp.h>
#include <stdexcept>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace berth::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  int fd = -1;
  const std::string* request = nullptr;
  std::string reply;
  Clock::time_point sent;
};

int dial(const std::string& address) {
  int fd = -1;
  int result = -1;
  if (address.starts_with("unix:")) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, address.c_str() + 5, sizeof name.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name);
  } else {
    const std::size_t colon = address.rfind(':');
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
    inet_pton(AF_INET, address.substr(6, colon - 6).c_str(), &name.sin_addr);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    result = connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name);
  }
  if (result != 0)
    throw std::runtime_error("cannot connect to " + address + ": " + strerror(errno));
  return fd;
}

void send_request(Connection& connection) {
  const std::string& request = *connection.request;
  connection.reply.clear();
  connection.sent = Clock::now();
  if (send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    throw std::runtime_error("the request could not be sent at once");
  }
}

// True if the reply is whole (Content-Length framed).
bool whole(const std::string& reply) {
  const std::size_t end = reply.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  for (std::size_t line = reply.find('\n'); line < end; line = reply.find('\n', line + 1)) {
    if (strncasecmp(reply.c_str() + line + 1, "content-length:", 15) == 0) {
      return reply.size() >= end + 4 + std::strtoul(reply.c_str() + line + 16, nullptr, 10);
    }
  }
  return true;
}

}  // namespace

Window run_window(const Arm& arm, int count, std::chrono::milliseconds duration,
                  std::chrono::milliseconds pause) {
  Window window;
  window.latencies_ns.reserve(1 << 18);
  std::vector<Connection> connections(static_cast<std::size_t>(count));
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::size_t turn = 0;
  for (Connection& connection : connections) {
    connection.fd = dial(arm.address);
    connection.request = &arm.requests[turn++ % arm.requests.size()];
    connection.reply.reserve(8192);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection.fd, &event);
  }
  const auto begin = Clock::now();
  const auto end = begin + duration;
  std::size_t outstanding = connections.size();
  for (Connection& connection : connections) send_request(connection);
  while (outstanding > 0) {
    epoll_event events[64];
    const int ready = epoll_wait(epoll, events, 64, 10'000);
    if (ready == 0) throw std::runtime_error(arm.name + ": no reply for 10 s");
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      char buffer[16384];
      const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
      if (got <= 0) throw std::runtime_error(arm.name + ": the connection was closed");
      connection.reply.append(buffer, static_cast<std::size_t>(got));
      if (!whole(connection.reply)) continue;
      const auto now = Clock::now();
      window.latencies_ns.push_back(static_cast<std::uint32_t>((now - connection.sent).count()));
      if (connection.reply.compare(9, 1, "2") != 0) ++window.failures;
      if (now < end) {
        if (pause.count() > 0) std::this_thread::sleep_for(pause);
        send_request(connection);
      } else {
        --outstanding;
      }
    }
  }
  window.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  for (const Connection& connection : connections) close(connection.fd);
  close(epoll);
  return window;
}

}  // namespace berth::bench
