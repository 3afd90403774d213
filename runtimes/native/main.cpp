// SPDX-License-Identifier: Apache-2.0
// The native runtime: serves /init and /run in front of any executable that keeps the ActionLoop
// protocol. Single-threaded and statically linked: a cold start is little more than its exec.
// Requests are served one at a time; a second /run waits for the first.
#include <errno.h>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "http.hpp"
#include "proxy.hpp"

namespace berth::native {
namespace {

struct Connection {
  int fd;
  RequestReader reader;
};

// The container's environment without what is addressed to us.
std::vector<std::string> action_environment() {
  std::vector<std::string> pairs;
  for (char** pair = environ; *pair != nullptr; ++pair) {
    const std::string_view text = *pair;
    if (!text.starts_with("BERTH_LISTEN_FD=") && !text.starts_with("BERTH_PORT="))
      pairs.emplace_back(text);
  }
  return pairs;
}

// The inherited socket of BERTH_LISTEN_FD, else TCP on BERTH_PORT (8080); -1 when neither works.
int open_listener() {
  if (const char* inherited = getenv("BERTH_LISTEN_FD");
      inherited != nullptr && *inherited != '\0') {
    const int fd = atoi(inherited);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
  }
  const char* port = getenv("BERTH_PORT");
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port =
      htons(static_cast<uint16_t>(port != nullptr && *port != '\0' ? atoi(port) : 8080));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, 128) != 0)
    return -1;
  return fd;
}

void accept_one(int listener, std::vector<std::unique_ptr<Connection>>& connections) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
             sizeof on);  // fails on unix sockets, which need none
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  connections.push_back(std::move(connection));
}

// Answers every whole request that has arrived. False when the connection is to be closed.
bool serve_requests(Connection& connection, Proxy& proxy) {
  Request request;
  for (;;) {
    switch (connection.reader.next(request)) {
      case RequestReader::Outcome::kMore: return true;
      case RequestReader::Outcome::kContinue:
        return send_all(connection.fd, "HTTP/1.1 100 Continue\r\n\r\n");
      case RequestReader::Outcome::kBad: {
        std::string body = "{\"error\":\"";
        body.append(connection.reader.error_text()).append("\"}\n");
        send_reply(connection.fd, connection.reader.error_status(), body, false);
        return false;
      }
      case RequestReader::Outcome::kRequest: break;
    }
    const Reply reply = proxy.handle(request);
    if (!send_reply(connection.fd, reply.status, reply.body, request.keep_alive) ||
        !request.keep_alive)
      return false;
  }
}

bool serve_connection(Connection& connection, Proxy& proxy) {
  char buffer[64 * 1024];
  const ssize_t count = read(connection.fd, buffer, sizeof buffer);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  connection.reader.feed({buffer, static_cast<size_t>(count)});
  return serve_requests(connection, proxy);
}

int serve(int listener) {
  signal(SIGPIPE, SIG_IGN);
  Proxy proxy(action_environment());
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<pollfd> waits;
  for (;;) {
    waits.assign({{listener, POLLIN, 0}, {proxy.action().child_events_fd(), POLLIN, 0}});
    for (const auto& connection : connections) waits.push_back({connection->fd, POLLIN, 0});
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    if ((waits[0].revents & POLLNVAL) != 0) return 1;
    if (waits[1].revents != 0) proxy.action().reap();
    for (size_t i = connections.size(); i-- > 0;) {
      if (waits[i + 2].revents == 0 || serve_connection(*connections[i], proxy)) continue;
      close(connections[i]->fd);
      connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (waits[0].revents != 0) accept_one(listener, connections);
  }
}

}  // namespace
}  // namespace berth::native

int main() {
  const int listener = berth::native::open_listener();
  if (listener < 0) {
    const std::string message =
        std::string("berth-native-runtime: cannot listen: ") + strerror(errno) + "\n";
    berth::native::send_all(STDERR_FILENO, message);
    return 1;
  }
  return berth::native::serve(listener);
}
