// SPDX-License-Identifier: Apache-2.0
#include "socket_support.hpp"

#include <arpa/inet.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "http/text.hpp"

namespace berth::http::testing {
namespace {

constexpr int kPatienceSeconds = 20;

sockaddr_un unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  return name;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return name;
}

}  // namespace

Loop::Loop()
    : thread_([this] {
        const auto guard = boost::asio::make_work_guard(io_);
        io_.run();
      }) {}

Loop::~Loop() {
  io_.stop();
  thread_.join();
}

void Loop::run(const std::function<void()>& task) {
  std::promise<void> done;
  boost::asio::post(io_, [&task, &done] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

bool Loop::wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  for (;;) {
    bool holds = false;
    run([&holds, &condition] { holds = condition(); });
    if (holds || std::chrono::steady_clock::now() > deadline) return holds;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "berth-http-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::filesystem::remove_all(path_);
}

std::string Received::field(std::string_view name) const {
  std::size_t at = head.find("\r\n");
  while (at != std::string::npos && at + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(':');
    if (iequals(line.substr(0, colon), name)) return std::string(trim(line.substr(colon + 1)));
    at = end;
  }
  return "";
}

RawSocket::RawSocket(int fd) : fd_(fd) {
  const timeval patience{kPatienceSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

RawSocket RawSocket::connect_tcp(std::uint16_t port) {
  RawSocket result(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in name = loopback(port);
  if (::connect(result.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) return {};
  return result;
}

RawSocket RawSocket::connect_unix(const std::string& path) {
  RawSocket result(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un name = unix_name(path);
  if (::connect(result.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) return {};
  return result;
}

bool RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string RawSocket::receive_some() {
  if (!buffered_.empty()) return std::exchange(buffered_, "");
  char buffer[16 * 1024];
  const ssize_t count = ::recv(fd(), buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    ADD_FAILURE() << "nothing received for " << kPatienceSeconds << " s";
  }
  return count > 0 ? std::string(buffer, static_cast<std::size_t>(count)) : std::string();
}

std::string RawSocket::receive_until(std::string_view terminator) {
  std::string bytes;
  for (;;) {
    const std::size_t at = bytes.find(terminator);
    if (at != std::string::npos) {
      buffered_ = bytes.substr(at + terminator.size()) + buffered_;
      return bytes.substr(0, at + terminator.size());
    }
    const std::string more = receive_some();
    if (more.empty()) return bytes;
    bytes += more;
  }
}

std::string RawSocket::receive_exactly(std::size_t count) {
  std::string bytes;
  while (bytes.size() < count) {
    const std::string more = receive_some();
    if (more.empty()) return bytes;
    bytes += more;
  }
  buffered_ = bytes.substr(count) + buffered_;
  return bytes.substr(0, count);
}

std::string RawSocket::receive_all() {
  std::string bytes;
  for (;;) {
    const std::string more = receive_some();
    if (more.empty()) return bytes;
    bytes += more;
  }
}

Received RawSocket::receive_message(bool bodiless) {
  Received received;
  received.head = receive_until("\r\n\r\n");
  if (received.head.empty()) return received;
  if (received.head.starts_with("HTTP/")) received.status = std::atoi(received.head.c_str() + 9);
  const std::string length = received.field("content-length");
  if (!length.empty() && !bodiless) received.body = receive_exactly(std::stoul(length));
  return received;
}

bool RawSocket::is_readable() const {
  pollfd readable{fd(), POLLIN, 0};
  return !buffered_.empty() || ::poll(&readable, 1, 0) > 0;
}

bool RawSocket::at_end() {
  return receive_some().empty();
}

void RawSocket::end_sending() {
  ::shutdown(fd(), SHUT_WR);
}

void RawSocket::reset_connection() {
  const linger at_once{1, 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

RawListener::RawListener(int backlog) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in name = loopback(0);
  socklen_t size = sizeof name;
  EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
  EXPECT_EQ(::listen(fd_.get(), backlog), 0);
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&name), &size);
  port_ = ntohs(name.sin_port);
}

RawListener::RawListener(const std::string& path, int backlog)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un name = unix_name(path);
  EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  EXPECT_EQ(::listen(fd_.get(), backlog), 0);
}

RawSocket RawListener::accept() {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, kPatienceSeconds * 1000) <= 0) {
    ADD_FAILURE() << "nobody connected for " << kPatienceSeconds << " s";
    return {};
  }
  return RawSocket(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

bool RawListener::has_waiting() {
  pollfd waiting{fd_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace berth::http::testing
