// SPDX-License-Identifier: Apache-2.0
// The stream socket of one connection, TCP or unix: every operation on it that the server and the
// client use, and nothing else touches the descriptor. What is sent and received may go through
// TLS; the owner sees no difference.
//
// Reactor style: data moves by receive() and send(), which never block; when they report
// kWouldBlock, wait_*() calls the owner back once, on the io_context's thread, when it is worth
// trying again. A wait keeps its owner alive; close() drops all waits without a call. Everything
// but adopt(), is_open() and close() needs an open socket. Not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "http/tls.hpp"

namespace berth::http {

class SocketOwner {
 public:
  virtual ~SocketOwner() = default;
  // What was waited for may have come; only trying tells.
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
  virtual void on_hangup() {}
};

struct IoResult {
  enum class Kind { kBytes, kWouldBlock, kEnd, kFailed };
  Kind kind = Kind::kWouldBlock;
  std::size_t bytes = 0;  // kBytes: > 0
  int error = 0;          // kFailed: the errno
};

class Socket {
 public:
  enum class Peer { kQuiet, kHasData, kHalfClosed, kGone };

  explicit Socket(boost::asio::io_context& io) : io_(io) {}
  // Takes over a connected (or connecting) non-blocking descriptor. False, and it is closed, if the
  // reactor cannot take it.
  bool adopt(int fd);
  // From now on everything goes through TLS, as the server's side. False: no memory for it.
  bool start_tls(const TlsCertificate& certificate);
  bool is_open() const { return descriptor_.has_value(); }
  // The handshake of TLS is still to come or under way.
  bool in_handshake() const { return tls_ != nullptr && !tls_->handshake_done(); }
  void close();

  IoResult receive(std::span<char> buffer);
  // Sends the two one after the other, as far as there is room; not both may be empty.
  IoResult send(std::string_view first, std::string_view second);
  // What can be told about the peer without reading.
  Peer peek();
  // Both directions are closed, or the connection was reset.
  bool hung_up();
  // The outcome of a connect that was in progress: 0 or an errno.
  int connect_error();
  // No more will be sent; the peer reads the end after what it has got.
  void shutdown_send();

  void wait_readable(std::shared_ptr<SocketOwner> owner);
  void wait_writable(std::shared_ptr<SocketOwner> owner);
  // Calls on_hangup() when hung_up() is worth asking.
  void wait_hangup(std::shared_ptr<SocketOwner> owner);

 private:
  using Descriptor =
      boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  IoResult send_tls(std::string_view first, std::string_view second);
  int fd() { return descriptor_->native_handle(); }

  boost::asio::io_context& io_;
  std::optional<Descriptor> descriptor_;
  std::unique_ptr<TlsSession> tls_;  // over the descriptor; null: in the clear
};

}  // namespace berth::http
