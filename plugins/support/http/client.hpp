// SPDX-License-Identifier: Apache-2.0
// An HTTP client of a plugin: libcurl's multi interface on the plugin's own event loop.
//
// Speaks HTTP/1.1 over TCP, TLS or a unix socket to one endpoint, keeps connections, and streams
// bodies both ways. Nothing blocks and nothing retries but what libcurl does by itself: a request
// on a kept connection that the server had closed meanwhile is sent again on a new one.
//
//   http::Client client(loop.context(), {.base_url = "http://engine", .unix_socket = "/run/x"});
//   http::Reply reply = co_await client.fetch({.target = "/version"});
//   if (!reply.status.ok()) ...            // the exchange failed
//   else if (reply.response.code == 200)   // what the server said
//
// How an exchange fails:
//   UNAVAILABLE, retryable   no connection, or it broke before the response was whole
//   DEADLINE_EXCEEDED        `timeout` passed and the server was reached
//   PERMISSION_DENIED        TLS: a certificate was refused, by us or by the server
//   RESOURCE_EXHAUSTED       the body is longer than `max_response_bytes`
//   CANCELLED                cancel(), or a callback of the request ended it
//   INVALID_ARGUMENT         the request or the endpoint makes no sense (URL, certificate file)
//
// Belongs to the thread of its io_context: every function but the constructor is called there. The
// destructor is called there or after that thread has ended, and before the io_context goes; it
// drops what is in flight without calling anything.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/sdk/status.hpp"

namespace berth::support::http {

// Files are PEM; empty ones are not used. A `ca_file` replaces the system's authorities.
struct Tls {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  // The name that the server's certificate must be for (and SNI); empty: the URL's host.
  std::string server_name;
  bool verify_peer = true;
};

struct Endpoint {
  std::string base_url;     // "http://host:port" or "https://host:port", without a path's last '/'
  std::string unix_socket;  // if not empty, where to connect to whatever the URL's host is
  Tls tls = {};
  std::string proxy = {};     // URL; empty: none, the environment's variables are not looked at
  long max_connections = 32;  // at once; further requests wait. 0: no limit
};

struct Response {
  int code = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  // The first value of a header (name in lower case), or "".
  std::string_view header(std::string_view name) const;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";  // path and query, appended to the base URL; already escaped
  std::vector<std::string> headers = {};  // "Name: value"
  std::string body = {};  // sent with Content-Length if not empty, or always with POST, PUT
  std::chrono::milliseconds timeout{60'000};  // of the whole exchange; 0: none
  // The wait for one of the connections is not part of `timeout`: for calls that come by the
  // thousand. They begin in their order.
  bool queues_untimed = false;
  std::chrono::milliseconds connect_timeout{10'000};  // up to and with the TLS handshake
  std::size_t max_response_bytes = 64u << 20;         // of a body that is not streamed
  // Called once with the response's code when its headers have come. The same rule as for on_data.
  std::function<void(int)> on_headers = {};
  // The same with all of the headers, for who needs them before the body. Either or both.
  std::function<void(const Response&)> on_head = {};
  // Gets a 2xx response's body piece by piece instead of it being gathered. Returning false ends
  // the exchange. It may start and cancel other exchanges but not destroy the Client.
  std::function<bool(std::string_view)> on_data = {};
  // Gives the body instead of `body`, sent in chunks: writes at most `room` bytes and returns how
  // many; 0: that was all; kLater: none at the moment, go_on() when there are; kGiveUp: end the
  // exchange. The same rule as for on_data.
  std::function<std::ptrdiff_t(char* to, std::size_t room)> on_upload = {};
};
inline constexpr std::ptrdiff_t kLater = -1;
inline constexpr std::ptrdiff_t kGiveUp = -2;

struct Reply {
  sdk::Status status;
  Response response;  // what of it came, also if the exchange failed
};

class Client {
 public:
  using Done = std::function<void(Reply)>;

  Client(boost::asio::io_context& context, Endpoint endpoint);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Starts an exchange and returns its number. `done` is called once, never from inside this call.
  std::uint64_t send(Request request, Done done);

  // Ends an exchange: `done` is called with CANCELLED, not from inside this call. Without effect on
  // one that has ended.
  void cancel(std::uint64_t exchange);

  // The same for all that are `queues_untimed` and have not begun.
  void cancel_waiting();

  // Asks an exchange's on_upload again after it said kLater. Not from inside on_upload itself.
  void go_on(std::uint64_t exchange);

  // `send` for coroutines that run on the context's thread. If `exchange` is given it is set to the
  // number before anything is waited for.
  boost::asio::awaitable<Reply> fetch(Request request, std::uint64_t* exchange = nullptr);

  // Exchanges that have not ended.
  std::size_t in_flight() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// `text` with everything but RFC 3986's unreserved characters escaped: for a query's value or one
// segment of a path.
std::string escape(std::string_view text);

}  // namespace berth::support::http
