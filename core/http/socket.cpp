// SPDX-License-Identifier: Apache-2.0
#include "http/socket.hpp"

#include <array>
#include <boost/asio/post.hpp>
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

IoResult result_of(const TlsSession::Outcome& outcome) {
  switch (outcome.kind) {
    case TlsSession::Kind::kBytes: return {IoResult::Kind::kBytes, outcome.bytes, 0};
    case TlsSession::Kind::kWouldBlock: return {IoResult::Kind::kWouldBlock, 0, 0};
    case TlsSession::Kind::kEnd: return {IoResult::Kind::kEnd, 0, 0};
    case TlsSession::Kind::kFailed: break;
  }
  return {IoResult::Kind::kFailed, 0, EPROTO};
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

bool Socket::start_tls(const TlsCertificate& certificate) {
  tls_ = TlsSession::make(certificate, fd());
  return tls_ != nullptr;
}

void Socket::close() {
  if (tls_) tls_->end();
  tls_.reset();
  descriptor_.reset();
}

IoResult Socket::receive(std::span<char> buffer) {
  if (tls_) return result_of(tls_->receive(buffer));
  for (;;) {
    const ssize_t count = ::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) return {IoResult::Kind::kBytes, static_cast<std::size_t>(count), 0};
    if (count == 0) return {IoResult::Kind::kEnd, 0, 0};
    if (errno != EINTR) return failure(errno);
  }
}

IoResult Socket::send_tls(std::string_view first, std::string_view second) {
  const TlsSession::Outcome outcome = tls_->send(first.empty() ? second : first);
  if (outcome.kind != TlsSession::Kind::kBytes || outcome.bytes < first.size() || first.empty() ||
      second.empty()) {
    return result_of(outcome);
  }
  const TlsSession::Outcome rest = tls_->send(second);
  if (rest.kind == TlsSession::Kind::kFailed) return result_of(rest);
  return {IoResult::Kind::kBytes, outcome.bytes + rest.bytes, 0};
}

IoResult Socket::send(std::string_view first, std::string_view second) {
  if (tls_) return send_tls(first, second);
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
  if (tls_ && tls_->has_pending()) return Peer::kHasData;
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
  if (tls_) tls_->end();
  ::shutdown(fd(), SHUT_WR);
}

void Socket::wait_readable(std::shared_ptr<SocketOwner> owner) {
  if (tls_ && tls_->has_pending()) {
    // Nothing need come for it to be worth trying.
    boost::asio::post(io_, [owner = std::move(owner)] { owner->on_readable(); });
    return;
  }
  const bool write = tls_ && tls_->receive_wants_write();
  descriptor_->async_wait(write ? Descriptor::wait_write : Descriptor::wait_read,
                          Ready{std::move(owner), &SocketOwner::on_readable});
}

void Socket::wait_writable(std::shared_ptr<SocketOwner> owner) {
  const bool read = tls_ && tls_->send_wants_read();
  descriptor_->async_wait(read ? Descriptor::wait_read : Descriptor::wait_write,
                          Ready{std::move(owner), &SocketOwner::on_writable});
}

void Socket::wait_hangup(std::shared_ptr<SocketOwner> owner) {
  descriptor_->async_wait(Descriptor::wait_error, Ready{std::move(owner), &SocketOwner::on_hangup});
}

}  // namespace berth::http
