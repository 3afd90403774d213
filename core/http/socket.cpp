// SPDX-License-Identifier: Apache-2.0
#include "http/socket.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace berth::http {
namespace {

// The handler of a wait: no allocation of its own, Asio recycles the operation it is stored in.
struct Ready {
  std::shared_ptr<SocketOwner> owner;
  void (SocketOwner::*event)();
  void operator()(const boost::system::error_code& error) const {
    if (error != boost::asio::error::operation_aborted) (owner.get()->*event)();
  }
};

iovec piece(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};
}

IoResult failure(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return {IoResult::Kind::kWouldBlock, 0, 0};
  return {IoResult::Kind::kFailed, 0, error};
}

}  // namespace

bool Socket::adopt(int fd) {
  descriptor_.emplace(io_.get_executor());
  boost::system::error_code error;
  descriptor_->assign(fd, error);
  if (!error) return true;
  ::close(fd);
  descriptor_.reset();
  return false;
}

IoResult Socket::receive(std::span<char> buffer) {
  for (;;) {
    const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(count), 0};
    if (count == 0) return {IoResult::Kind::kEnd, 0, 0};
    if (errno != EINTR) return failure(errno);
  }
}

IoResult Socket::send(std::string_view first, std::string_view second) {
  const std::array<iovec, 2> pieces{piece(first), piece(second)};
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  for (;;) {
    const ssize_t count =
        second.empty() ? ::send(fd(), first.data(), first.size(), MSG_NOSIGNAL | MSG_DONTWAIT)
                       : ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(count), 0};
    if (errno != EINTR) return failure(errno);
  }
}

Socket::Peer Socket::peek() {
  char byte = 0;
  const ssize_t count = ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count > 0) return Peer::kHasData;
  if (count < 0) return errno == EAGAIN || errno == EINTR ? Peer::kQuiet : Peer::kGone;
  return hung_up() ? Peer::kGone : Peer::kHalfClosed;
}

bool Socket::hung_up() {
  pollfd poll_fd{fd(), 0, 0};
  return ::poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0;
}

int Socket::connect_error() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &size) < 0) return errno;
  return error;
}

void Socket::shutdown_send() {
  ::shutdown(fd(), SHUT_WR);
}

void Socket::wait_readable(std::shared_ptr<SocketOwner> owner) {
  descriptor_->async_wait(Descriptor::wait_read,
                          Ready{std::move(owner), &SocketOwner::on_readable});
}

void Socket::wait_writable(std::shared_ptr<SocketOwner> owner) {
  descriptor_->async_wait(Descriptor::wait_write,
                          Ready{std::move(owner), &SocketOwner::on_writable});
}

void Socket::wait_hangup(std::shared_ptr<SocketOwner> owner) {
  descriptor_->async_wait(Descriptor::wait_error, Ready{std::move(owner), &SocketOwner::on_hangup});
}

}  // namespace berth::http
