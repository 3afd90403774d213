// SPDX-License-Identifier: Apache-2.0
// Threads that speak HTTP beside the house's: each takes its share of the connections and does for
// them all that needs no container - TLS, parsing, authorisation, finding the action, its
// arguments, the answer - and the whole of those requests that invoke nothing. They have the
// connections to the containers, too (ios()). The house is left with the pool and the life of each
// activation, so that a single action, too, can use several cores.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "activation/intake.hpp"
#include "api/api.hpp"
#include "base/result.hpp"
#include "http/server.hpp"
#include "http/server_group.hpp"

namespace berth::daemon {

// Used on the house's thread, which none of these threads ever waits for, until join().
class Fronts {
 public:
  using MakeApi = std::function<std::unique_ptr<api::Api>(boost::asio::io_context& io,
                                                          activation::Intake& intake)>;

  explicit Fronts(std::size_t threads);
  ~Fronts();
  Fronts(const Fronts&) = delete;
  Fronts& operator=(const Fronts&) = delete;

  std::size_t size() const { return fronts_.size(); }
  // Nothing is accepted before open().
  Status bind(const std::string& address);
  std::uint16_t port() const { return port_; }
  // Of each thread, for work of others.
  std::vector<boost::asio::io_context*> ios() const;
  // `options` are those of all together. `next` is the house's.
  void open(http::ServerOptions options, boost::asio::io_context& house, activation::Intake& next,
            const MakeApi& make_api);
  // Stops accepting; idle connections are closed, busy ones after their reply.
  void drain();
  // Closes everything. What was asked of the stores may still come.
  void close();
  // After the house's end: the threads end when what they still have to do is done. Their
  // io_contexts are there for what is posted to them after that, until the destructor.
  void join();

 private:
  struct Front;

  std::vector<std::unique_ptr<Front>> fronts_;
  std::unique_ptr<http::ServerGroup> group_;  // on the first one's thread
  std::uint16_t port_ = 0;
};

}  // namespace berth::daemon
