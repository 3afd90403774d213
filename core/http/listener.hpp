// SPDX-License-Identifier: Apache-2.0
// A listening socket, TCP or unix: hands every accepted descriptor (non-blocking, close-on-exec) to
// its owner. When the process is out of descriptors it rests, says so once in a while, and goes on.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "http/address.hpp"
#include "http/socket.hpp"
#include "http/ticker.hpp"

namespace berth::http {

class Listener final : public SocketOwner, public std::enable_shared_from_this<Listener> {
 public:
  using Accepted = std::function<void(int fd)>;

  // See Server::listen_tcp and listen_unix for the errors. Nothing is accepted before start().
  static Result<std::shared_ptr<Listener>> open_tcp(boost::asio::io_context& io,
                                                    const std::string& address, Accepted accepted);
  static Result<std::shared_ptr<Listener>> open_unix(boost::asio::io_context& io,
                                                     const std::string& path, Accepted accepted);
  Listener(boost::asio::io_context& io, std::string name, Accepted accepted);
  ~Listener() override;

  void start();
  // Accepts what waits already, once; then listens no more and removes the unix socket.
  void close(bool accept_waiting);
  std::uint16_t port() const { return port_; }

  void on_readable() override;
  void on_writable() override {}

 private:
  Status take(UniqueFd fd);
  void accept_some(int most);
  void rest(int error);
  static void rested(void* self);
  void remove_path();

  std::string name_;
  Accepted accepted_;
  Socket socket_;
  Ticker::Limit rest_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::string path_;  // of a unix socket; empty for TCP
  dev_t device_ = 0;
  ino_t inode_ = 0;
  SteadyTime said_;
};

}  // namespace berth::http
