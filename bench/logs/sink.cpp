// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.hpp"

namespace berth::bench {
namespace {

// `keep` is a descriptor for bodies, or -1.
void serve(int connection, int keep) {
  const std::string reply =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
      "{\"text\":\"Success\",\"code\":0}";
  const int one = 1;
  ::setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  std::string head;
  static char buffer[1 << 20];
  for (;;) {
    const ssize_t got = ::recv(connection, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    head.append(buffer, static_cast<std::size_t>(got));
    const std::size_t end = head.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const char* const length = ::strcasestr(head.c_str(), "content-length:");
    std::size_t left = length != nullptr ? std::strtoull(length + 15, nullptr, 10) : 0;
    const std::string_view begun = std::string_view(head).substr(end + 4);
    if (keep >= 0 && ::write(keep, begun.data(), begun.size()) < 0) break;
    left -= std::min(left, begun.size());
    while (left > 0) {
      const ssize_t more = ::recv(connection, buffer, std::min(left, sizeof buffer), 0);
      if (more <= 0) break;
      if (keep >= 0 && ::write(keep, buffer, static_cast<std::size_t>(more)) < 0) break;
      left -= static_cast<std::size_t>(more);
    }
    head.clear();
    if (::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
  }
  ::close(connection);
}

}  // namespace

Sink::Sink(const std::string& keep) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 16) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen");
  }
  port_ = ntohs(address.sin_port);
  child_ = ::fork();
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file =
        keep.empty() ? -1 : ::open(keep.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (;;) {
      const int connection = ::accept(listener, nullptr, nullptr);
      if (connection < 0) ::_exit(0);
      serve(connection, file);
    }
  }
  ::close(listener);
}

Sink::~Sink() {
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace berth::bench
