// SPDX-License-Identifier: Apache-2.0
// One listening address before several Servers, each on a thread of its own: a new connection goes
// to the one that has the fewest. Kept connections stay where they are, so a few busy ones are
// spread evenly, which the kernel's own way (SO_REUSEPORT, by a hash) does not promise.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/server.hpp"

namespace berth::http {

class Listener;

// Not thread-safe: all is called on the thread of the io_context it was made with, before that
// runs, or after it has ended.
class ServerGroup {
 public:
  struct Member {
    boost::asio::io_context& io;  // the Server's
    Server& server;
  };

  explicit ServerGroup(boost::asio::io_context& io) : io_(io) {}
  ~ServerGroup();

  // As Server::listen_tcp, but nothing is accepted before start().
  Status bind_tcp(const std::string& address);
  std::uint16_t port() const;
  // The Servers must live until what was posted to their io_contexts before the end of close() has
  // run.
  void start(const std::vector<Member>& members);
  // Accepts what waits already, once, if it has started; then listens no more.
  void close();

 private:
  struct Place {
    Member member;
    // Connections that it was given and has not counted yet.
    std::shared_ptr<std::atomic<std::size_t>> coming;

    std::size_t load() const { return member.server.connections() + *coming; }
  };
  void accepted(int fd);

  boost::asio::io_context& io_;
  std::shared_ptr<Listener> listener_;
  std::vector<Place> places_;
};

}  // namespace berth::http
