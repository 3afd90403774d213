// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 server of the invocation path: strict, bounded, on Asio sockets (TCP and unix).
//
// One Server belongs to one io_context that one thread runs; it is not thread-safe and calls its
// handler on that thread. Requests of one connection are handled one at a time in their order
// (pipelined ones wait in the connection's buffer). Writes are tried synchronously first. One timer
// tick a Server enforces every time limit.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "http/message.hpp"
#include "http/tls.hpp"

namespace berth::http {

// Answers one request, once, from the Server's thread (post to its io_context from elsewhere).
// Move-only. Destroyed unused it answers 500, so that no client ever waits for ever.
class Responder {
 public:
  struct Target;  // the connection's side; private to the server
  Responder() = default;
  explicit Responder(std::shared_ptr<Target> target);
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  // Sends the response. Without effect if the client is gone. Invalidates the Request's views.
  void send(Response response);
  explicit operator bool() const { return target_ != nullptr; }

 private:
  std::shared_ptr<Target> target_;
};

struct ServerOptions {
  std::size_t max_header_bytes = 64 * 1024;          // request line and header fields; over it: 431
  std::size_t max_target_bytes = 8 * 1024;           // over it: 414
  std::size_t max_body_bytes = 50 * 1024 * 1024;     // over it: 413
  std::size_t max_connections = 8192;                // over it: 503 and close
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte to the end of the header
  std::chrono::milliseconds body_timeout{30'000};    // for the whole body
  std::chrono::milliseconds idle_timeout{70'000};    // of a kept connection
  std::chrono::milliseconds write_timeout{30'000};   // without progress (16 KiB) of a reply
  // Of all connections' requests together, so that many large ones at once cannot fill the memory;
  // what exceeds it is answered with 503.
  std::size_t max_buffered_bytes = std::size_t{1024} * 1024 * 1024;
  // What they have now, for Servers that share the bound; null: this one's own.
  std::shared_ptr<std::atomic<std::size_t>> buffered{};
  std::shared_ptr<const TlsCertificate> tls{};  // null: in the clear
};

class Server {
 public:
  // Called with each whole request. The views in `request` live as long as `responder` is unused.
  using Handler = std::function<void(const Request& request, Responder responder)>;
  // Makes the body of an error the server answers itself (400, 408, 413, 414, 417, 431, 500, 501,
  // 503, 505).
  using ErrorBody = std::function<Response(int status, std::string_view reason)>;

  Server(boost::asio::io_context& io, ServerOptions options, Handler handler, ErrorBody error_body);
  ~Server();

  // Listens on "host:port" ("[::1]:80" for IPv6; port 0 chooses one). Errors name the address and
  // the mend, e.g. "127.0.0.1:3233 is in use by another process: stop it or set another [http]
  // listen".
  Status listen_tcp(const std::string& address);
  // Listens on a unix socket of mode 0600; a stale one (nobody answers) is replaced.
  Status listen_unix(const std::string& path);

  // Serves a connection that was accepted elsewhere: takes over its non-blocking, close-on-exec
  // descriptor.
  void adopt(int fd);

  // The port of the first TCP listener; 0 if there is none.
  std::uint16_t port() const;
  // That are open. From any thread.
  std::size_t connections() const;

  // Stops accepting; idle connections are closed, busy ones after their reply ("Connection:
  // close").
  void drain();
  // Closes everything at once.
  void close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::http
