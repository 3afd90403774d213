// SPDX-License-Identifier: Apache-2.0
#include "start/instant_engine.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace berth::bench {
namespace {

constexpr int kBacklog = 128;
// Where the plugin looks for a function.
constexpr std::uint16_t kFunctionPort = 8080;

std::string response(int code, std::string_view body) {
  return "HTTP/1.1 " + std::to_string(code) + " OK\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// A place of our own among the loopback's addresses, which nobody else serves.
UniqueFd listen_somewhere(std::string& ip) {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    ip = "127." + std::to_string(128 + random() % 64) + "." + std::to_string(random() % 256) + "." +
         std::to_string(1 + random() % 254);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(kFunctionPort);
    ::inet_pton(AF_INET, ip.c_str(), &name.sin_addr);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0 &&
        ::listen(fd.get(), kBacklog) == 0) {
      return fd;
    }
  }
  throw std::runtime_error("no address of 127.0.0.0/8 is free");
}

// The body's length that a request's head tells.
std::size_t length_in(std::string_view head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string_view::npos
             ? 0
             : std::strtoul(std::string(head.substr(at + 16, 20)).c_str(), nullptr, 10);
}

}  // namespace

InstantEngine::InstantEngine(const std::string& path)
    : api_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      functions_(listen_somewhere(function_ip_)) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (::bind(api_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(api_.get(), kBacklog) != 0) {
    throw std::runtime_error("cannot listen at " + path);
  }
  accepts_api_ = std::thread([this] { accept_all(api_.get(), true); });
  accepts_functions_ = std::thread([this] { accept_all(functions_.get(), false); });
}

InstantEngine::~InstantEngine() {
  ::shutdown(api_.get(), SHUT_RDWR);
  ::shutdown(functions_.get(), SHUT_RDWR);
  accepts_api_.join();
  accepts_functions_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : connections_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void InstantEngine::accept_all(int listener, bool engine) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const std::lock_guard lock(mutex_);
    connections_.push_back(fd);
    threads_.emplace_back([this, fd, engine] { serve(fd, engine); });
  }
}

void InstantEngine::serve(int fd, bool engine) {
  std::string input;
  char buffer[16384];
  while (true) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    input.append(buffer, static_cast<std::size_t>(n));
    for (std::size_t end; (end = input.find("\r\n\r\n")) != std::string::npos;) {
      const std::string_view head = std::string_view(input).substr(0, end);
      const std::size_t whole = end + 4 + length_in(head);
      if (input.size() < whole) break;
      const std::size_t first = head.find(' '), second = head.find(' ', first + 1);
      const std::string reply =
          engine ? answer(head.substr(0, first), head.substr(first + 1, second - first - 1))
                 : response(200, "{}");
      if (::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
      input.erase(0, whole);
    }
  }
  const std::lock_guard lock(mutex_);
  connections_.remove(fd);
  ::close(fd);
}

std::string InstantEngine::answer(std::string_view method, std::string_view target) {
  if (target.starts_with("/v1.")) target.remove_prefix(target.find('/', 1));
  const auto is = [&](std::string_view path) { return target.substr(0, target.find('?')) == path; };
  if (is("/version")) return response(200, R"({"ApiVersion":"1.41","MinAPIVersion":"1.12"})");
  if (is("/info")) return response(200, R"({"DockerRootDir":"/nonexistent","Architecture":"any"})");
  // None ever come; the connection stays.
  if (is("/events")) return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (is("/containers/json")) return response(200, "[]");
  if (is("/containers/create")) {
    char id[65];
    std::snprintf(id, sizeof id, "%064llx", static_cast<unsigned long long>(++containers_));
    return response(201, R"({"Id":")" + std::string(id) + R"("})");
  }
  if (method == "GET" && target.ends_with("/json")) {
    return response(200, R"({"State":{"Running":true,"Pid":1},"NetworkSettings":{"Networks":)"
                         R"({"bridge":{"IPAddress":")" +
                             function_ip_ + R"("}}}})");
  }
  return "HTTP/1.1 204 No Content\r\n\r\n";
}

}  // namespace berth::bench
