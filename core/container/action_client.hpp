// SPDX-License-Identifier: Apache-2.0
// Speaks /init and /run to the action proxy in one container.
//
// Request bodies are made from text templates: argument and parameter values are spliced in as JSON
// text, so what is given as JSON text must be valid. Not thread-safe; belongs to one io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "entity/action.hpp"
#include "entity/identity.hpp"
#include "http/client.hpp"

namespace berth::container {

// How the proxy answered, or did not.
struct Reply {
  http::Exchange exchange = http::Exchange::kConnectFailed;
  int status = 0;             // of a response
  std::string body;           // of a response, at most the limit
  bool truncated = false;     // the body was longer than the limit
  std::uint64_t length = 0;   // of the whole body as far as known
  std::string error;          // for logs: what went wrong on the wire
  std::int64_t start_ms = 0;  // wall time of the request
  std::int64_t end_ms = 0;    // start_ms + interval, whole milliseconds
  std::chrono::nanoseconds interval{0};
  bool timed_out = false;  // the time limit was reached; whatever came then does not count

  bool ok() const {
    return exchange == http::Exchange::kResponse && !timed_out && !truncated && status == 200;
  }
  // Nothing reached the proxy: another container may do the work.
  bool nothing_sent() const { return exchange == http::Exchange::kConnectFailed && !timed_out; }
};

// Whose activation it is, for the fields of both requests. Borrowed for the call.
struct Caller {
  const entity::Action& action;
  const entity::Identity& user;
  std::string_view activation_id;
  std::string_view transaction_id;
};

// The body of /init: name, main, binary, code, and env: init parameters and __OW_*.
std::string init_body(const Caller& caller, std::int64_t deadline_ms);
// The body of /run around `arguments`, the text of a JSON object or array.
std::string run_body(const Caller& caller, std::string_view arguments, std::int64_t deadline_ms);

// io_contexts that other threads run; they outlive what is on its way.
using Wires = std::vector<boost::asio::io_context*>;

class ActionClient {
 public:
  using Handler = std::function<void(Reply)>;

  // `wires`: the threads that may have the connections, of which each address has one; none: that
  // of `io`, to which all else belongs.
  static Result<std::unique_ptr<ActionClient>> open(boost::asio::io_context& io, const Clock& clock,
                                                    std::string_view address,
                                                    std::size_t max_response_bytes,
                                                    const Wires& wires = {});
  ~ActionClient();  // requests under way end as Client's do

  // Sends /init. With `retry_connect` a refused connection is tried again every 50 ms until
  // `timeout` is used up (a proxy that was just started may not listen yet). The handler is called
  // once, from the io_context.
  void init(const Caller& caller, std::chrono::milliseconds timeout, bool retry_connect,
            Handler handler);
  // Sends /run once.
  void run(const Caller& caller, std::string_view arguments, std::chrono::milliseconds timeout,
           Handler handler);
  // Closes idle connections: they do not survive a pause.
  void close_idle();

  // The container has ended. What it answered before may still lie in a socket or be on its way: it
  // counts when it comes within `grace`, after which `client` and what still waits end (some
  // sockets outlive their process). Nothing is connected again meanwhile.
  static void end_soon(std::unique_ptr<ActionClient> client, std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit ActionClient(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::container
