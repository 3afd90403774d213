// SPDX-License-Identifier: Apache-2.0
// What the tests on real sockets share: an io_context on its own thread, and plain blocking sockets
// for the other side. The sockets' calls fail the test after 20 s instead of hanging it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/unique_fd.hpp"

namespace berth::http::testing {

// Runs an io_context. What is given to run() is called on its thread; run() returns afterwards.
class Loop {
 public:
  Loop();
  ~Loop();
  boost::asio::io_context& io() { return io_; }
  void run(const std::function<void()>& task);
  // Asks on the thread until `condition` holds; false after 20 s.
  bool wait_until(const std::function<bool()>& condition);

 private:
  boost::asio::io_context io_{1};
  std::thread thread_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  std::string path(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// One message as received.
struct Received {
  int status = 0;
  std::string head;  // with the empty line
  std::string body;
  // The value of a field, or "" without it.
  std::string field(std::string_view name) const;
};

// One side of a connection, blocking.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd);
  static RawSocket connect_tcp(std::uint16_t port);
  static RawSocket connect_unix(const std::string& path);

  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  // False if the peer does not take it all.
  bool send(std::string_view bytes);
  // At least one byte, or "" at the end or on a reset.
  std::string receive_some();
  // Until `terminator` was received, which is included; less at the end.
  std::string receive_until(std::string_view terminator);
  std::string receive_exactly(std::size_t count);
  std::string receive_all();
  // A message with Content-Length (or, with `bodiless`, without a body whatever it says); an empty
  // one at the end of the stream.
  Received receive_message(bool bodiless = false);
  // Whether there is something to receive, or the end, now.
  bool is_readable() const;
  // Nothing more comes and the peer has closed (or reset).
  bool at_end();
  void end_sending();
  void close() { fd_.reset(); }
  // Closes so that the peer sees a reset.
  void reset_connection();

 private:
  UniqueFd fd_;
  std::string buffered_;
};

// A listening socket that the test accepts from itself.
class RawListener {
 public:
  // A free TCP port on 127.0.0.1, or a unix socket.
  explicit RawListener(int backlog = 64);
  RawListener(const std::string& path, int backlog);
  RawSocket accept();
  // Whether somebody waits to be accepted.
  bool has_waiting();
  std::uint16_t port() const { return port_; }
  std::string address() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

}  // namespace berth::http::testing
