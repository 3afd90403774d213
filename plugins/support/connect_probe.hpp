// SPDX-License-Identifier: Apache-2.0
// ConnectProbe: tries to connect to an address until something listens there.
//
// A function's first connect may come before its proxy listens, and while its container is only
// being started there may be nobody to refuse it either: what is tried is a connection at a time,
// again and again, each given up after a moment. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "support/unique_fd.hpp"

namespace berth::support {

struct ConnectProbeOptions {
  // After so long one attempt is given up: where no machine is yet, or a port that nobody forwards,
  // a connect hangs.
  std::chrono::milliseconds patience{100};
  // A connection counts only if it is still open after so long; for where a proxy in between
  // accepts first and looks for the function then.
  std::chrono::milliseconds settle{0};
  // Makes the sockets to try with: non-blocking TCP, or invalid. Empty: ordinary ones.
  std::function<UniqueFd()> make_socket;
};

// Calls `accepted` once when a connection was accepted, with where, unless the probe went before.
class ConnectProbe {
 public:
  using Accepted = std::function<void(const boost::asio::ip::tcp::endpoint& where)>;

  ConnectProbe(boost::asio::io_context& context, boost::asio::ip::tcp::endpoint endpoint,
               Accepted accepted, ConnectProbeOptions options = {});
  // A name is looked up for each attempt: it may come to be known only later.
  ConnectProbe(boost::asio::io_context& context, const std::string& host, std::uint16_t port,
               Accepted accepted, ConnectProbeOptions options = {});
  ~ConnectProbe();
  ConnectProbe(const ConnectProbe&) = delete;
  ConnectProbe& operator=(const ConnectProbe&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace berth::support
