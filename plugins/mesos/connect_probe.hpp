// SPDX-License-Identifier: Apache-2.0
// ConnectProbe: tries to connect to a function's address until something listens there, as a task
// is running before its proxy listens. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

namespace berth::mesos {

// Calls `accepted(address)` once a connection was accepted, with the "host:port" as numbers (a name
// is looked up), unless the probe went before.
class ConnectProbe {
 public:
  ConnectProbe(boost::asio::io_context& context, const std::string& address,
               std::function<void(std::string address)> accepted);
  ~ConnectProbe();
  ConnectProbe(const ConnectProbe&) = delete;
  ConnectProbe& operator=(const ConnectProbe&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace berth::mesos
