// SPDX-License-Identifier: Apache-2.0
// Asynchronous name resolution for the client, for hosts that are no literal addresses.
// Not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/address.hpp"

namespace berth::http {

// Destroying it cancels what is under way; the handlers of that are not called.
class Resolver {
 public:
  // `error` is empty if there is at least one address.
  using Resolved = std::function<void(std::vector<SocketAddress> addresses, std::string error)>;

  explicit Resolver(boost::asio::io_context& io);
  ~Resolver();
  // Calls `resolved` once, later, on the io_context's thread.
  void resolve(const std::string& host, std::uint16_t port, Resolved resolved);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::http
