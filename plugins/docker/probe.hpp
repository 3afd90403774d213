// SPDX-License-Identifier: Apache-2.0
// Probe: tries to connect to an address until something listens there.
//
// A function's first connect may come before its proxy listens, and while its container is only
// being started there may be nobody to refuse it either: what is tried is a connection at a time,
// again and again, each given up after a moment. The loop's thread only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "docker/signal.hpp"
#include "support/unique_fd.hpp"

namespace berth::docker {

// Calls `accepted` once when a connection was accepted, unless the Probe went before.
class Probe {
 public:
  // `settle`: a connection counts only if it is still open after so long; for where a proxy in
  // between accepts first and looks for the function then.
  // `make_socket` makes the sockets to try with: non-blocking TCP, or invalid. Empty: ordinary
  // ones.
  using MakeSocket = std::function<support::UniqueFd()>;

  Probe(boost::asio::io_context& context, boost::asio::ip::tcp::endpoint endpoint,
        std::function<void()> accepted, MakeSocket make_socket = {},
        std::chrono::milliseconds settle = std::chrono::milliseconds(0));
  ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace berth::docker
