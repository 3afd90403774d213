// SPDX-License-Identifier: Apache-2.0
// Reaching a function that has no network: its namespace has a loopback, and whoever may enter the
// namespace can make a socket in it. A Relay listens on a unix socket and passes every connection
// on to such a socket. Needs to run on the engine's host, as root. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "berth/sdk/status.hpp"
#include "support/result.hpp"
#include "support/unique_fd.hpp"

namespace berth::docker {

// A network namespace, held open.
class NetworkNamespace {
 public:
  // Of the process `pid`. PERMISSION_DENIED if it may not be entered from here.
  static support::Result<NetworkNamespace> of_process(int pid);

  // A TCP socket in it, not connected and non-blocking; invalid if that fails. The calling thread
  // is in the namespace only during the call.
  support::UniqueFd socket() const;

 private:
  support::UniqueFd there_;
  support::UniqueFd here_;
};

class Relay {
 public:
  // Listens at `path`, which is replaced, and passes on to 127.0.0.1:`port` in the namespace.
  static support::Result<std::unique_ptr<Relay>> open(
      boost::asio::io_context& context, std::shared_ptr<const NetworkNamespace> network,
      const std::string& path, std::uint16_t port);
  // Closes; connections under way go on until one side ends them.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

 private:
  struct State;
  explicit Relay(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace berth::docker
