// SPDX-License-Identifier: Apache-2.0
// The HTTP/1.1 client of the invocation path: POST to one container's proxy, over kept connections.
//
// One Client speaks to one address; it belongs to one io_context that one thread runs and is not
// thread-safe. Its connections may be another thread's work. Connections are kept for reuse; one
// that the peer closed while idle is noticed before it is used. Writes are tried synchronously
// first.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace berth::http {

// How an exchange ended; ordered by how much the peer may have seen.
enum class Exchange {
  kConnectFailed,  // nothing was sent: safe to try elsewhere
  kBroken,         // something was sent, no whole response came back
  kTimedOut,       // the deadline passed first
  kResponse,       // a whole response (perhaps cut, see `truncated`)
};

struct ClientResponse {
  Exchange exchange = Exchange::kConnectFailed;
  int status = 0;            // kResponse only
  std::string body;          // at most max_body_bytes
  bool truncated = false;    // the body was longer
  std::uint64_t length = 0;  // of the whole body, as far as it is known
  std::string error;         // for logs: what went wrong on the wire
  // When it ended, where the connections are another thread's; else it ends as the handler is
  // called.
  SteadyTime ended;
};

struct ClientRequest {
  std::string_view path;  // "/run"; borrowed until the handler was called
  std::string body;       // application/json
  SteadyTime deadline;
  std::size_t max_body_bytes = 1024 * 1024;
};

class Client {
 public:
  using Handler = std::function<void(ClientResponse)>;

  // `address` is "tcp://host:port" (a literal IP or a name) or "unix:/path". With `wire` the
  // connections belong to that io_context, which another thread may run: requests are posted there
  // and what comes of them back to `io`. Both must outlive what is on its way.
  static Result<std::unique_ptr<Client>> open(boost::asio::io_context& io, std::string_view address,
                                              boost::asio::io_context* wire = nullptr);
  // Open exchanges end as kBroken, or kConnectFailed if nothing of them was sent; their handlers
  // are called from the io_context.
  ~Client();

  // Sends one POST on a free or new connection. The handler is called once, from the io_context and
  // never from inside this call.
  void post(ClientRequest request, Handler handler);

  // Closes idle connections, e.g. before the container is paused.
  void close_idle();

 private:
  struct Impl;
  Client(boost::asio::io_context& io, std::shared_ptr<Impl> impl);
  bool is_remote() const;

  boost::asio::io_context& io_;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::http
