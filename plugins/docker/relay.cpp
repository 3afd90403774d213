// SPDX-License-Identifier: Apache-2.0
#include "docker/relay.hpp"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

constexpr std::chrono::milliseconds kAcceptAgain{50};

// Two sockets and what goes from one to the other. Lives until both directions have ended.
struct Pair : std::enable_shared_from_this<Pair> {
  Pair(Local::socket accepted, tcp::socket opened)
      : outside(std::move(accepted)), inside(std::move(opened)) {}

  template <typename From, typename To>
  void pass(From& from, To& to, std::array<char, 16384>& buffer) {
    from.async_read_some(
        asio::buffer(buffer), [self = shared_from_this(), &from, &to, &buffer](
                                  const boost::system::error_code& error, std::size_t n) {
          boost::system::error_code ignored;
          if (error) {
            to.shutdown(To::shutdown_send, ignored);
            if (error != asio::error::eof) self->close();
            return;
          }
          asio::async_write(
              to, asio::buffer(buffer, n),
              [self, &from, &to, &buffer](const boost::system::error_code& failed, std::size_t) {
                if (failed) return self->close();
                self->pass(from, to, buffer);
              });
        });
  }
  void close() {
    boost::system::error_code ignored;
    outside.close(ignored);
    inside.close(ignored);
  }

  Local::socket outside;
  tcp::socket inside;
  std::array<char, 16384> to_inside, to_outside;
};

}  // namespace

support::Result<NetworkNamespace> NetworkNamespace::of_process(int pid) {
  NetworkNamespace made;
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  made.there_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  made.here_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (pid <= 0 || !made.there_ || !made.here_ || !made.socket()) {
    return sdk::permission_denied(
        "the container's network namespace cannot be entered: network none needs berthd on the "
        "engine's host, as root (" +
        std::string(std::strerror(errno)) + ")");
  }
  return made;
}

support::UniqueFd NetworkNamespace::socket() const {
  if (::setns(there_.get(), CLONE_NEWNET) != 0) return {};
  support::UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A thread that could not come back must not go on.
  if (::setns(here_.get(), CLONE_NEWNET) != 0) ::abort();
  return made;
}

struct Relay::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, std::shared_ptr<const NetworkNamespace> where, std::uint16_t port)
      : context(io),
        acceptor(io),
        timer(io),
        network(std::move(where)),
        target(asio::ip::address_v4::loopback(), port) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const boost::system::error_code& error,
                                                      Local::socket accepted) {
      if (error == asio::error::operation_aborted || !self->acceptor.is_open()) return;
      if (error) return self->accept_later();
      self->open(std::move(accepted));
      self->accept();
    });
  }

  // No descriptor is free, or no memory: that passes, and who waits in the queue is not lost.
  void accept_later() {
    timer.expires_after(kAcceptAgain);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error && self->acceptor.is_open()) self->accept();
    });
  }

  void open(Local::socket accepted) {
    support::UniqueFd fd = network->socket();
    tcp::socket inside(context);
    boost::system::error_code error;
    if (fd) inside.assign(tcp::v4(), fd.get(), error);
    if (!fd || error) return;  // the connection is closed: the caller sees the function gone
    (void)fd.release();
    const auto pair = std::make_shared<Pair>(std::move(accepted), std::move(inside));
    pair->inside.async_connect(target, [pair](const boost::system::error_code& failed) {
      if (failed) return pair->close();
      pair->pass(pair->outside, pair->inside, pair->to_inside);
      pair->pass(pair->inside, pair->outside, pair->to_outside);
    });
  }

  asio::io_context& context;
  Local::acceptor acceptor;
  asio::steady_timer timer;
  const std::shared_ptr<const NetworkNamespace> network;
  const tcp::endpoint target;
  std::string path;
};

support::Result<std::unique_ptr<Relay>> Relay::open(asio::io_context& context,
                                                    std::shared_ptr<const NetworkNamespace> network,
                                                    const std::string& path, std::uint16_t port) {
  const auto state = std::make_shared<State>(context, std::move(network), port);
  if (path.size() > 107) return sdk::invalid_argument("too long for a socket: " + path);
  ::unlink(path.c_str());
  boost::system::error_code error;
  state->acceptor.open(Local(), error);
  if (!error) state->acceptor.bind(Local::endpoint(path), error);
  if (!error) state->acceptor.listen(128, error);
  if (error) return sdk::unavailable("cannot listen at " + path + ": " + error.message());
  state->path = path;
  state->accept();
  return std::unique_ptr<Relay>(new Relay(state));
}

Relay::~Relay() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->timer.cancel();
  ::unlink(state_->path.c_str());
}

}  // namespace berth::docker
