// SPDX-License-Identifier: Apache-2.0
#include "support/connect_probe.hpp"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace berth::support {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A look-up takes the resolver's only thread, which others wait for.
constexpr milliseconds kPauseOfNames{50};

// Short while a start may be over any moment.
milliseconds pause_after(Clock::duration elapsed) {
  if (elapsed < milliseconds(2000)) return milliseconds(1);
  if (elapsed < milliseconds(10'000)) return milliseconds(10);
  return milliseconds(50);
}

}  // namespace

struct ConnectProbe::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, Accepted then, ConnectProbeOptions given)
      : resolver(context),
        socket(context),
        timer(context),
        accepted(std::move(then)),
        options(std::move(given)) {}

  // What an attempt's callbacks ask first: may it still go on?
  bool is_past(std::uint64_t number) const { return ended || number != attempts; }

  void attempt() {
    const std::uint64_t number = ++attempts;
    if (name.empty()) return connect(number);
    resolver.async_resolve(name, std::to_string(endpoint.port()), tcp::resolver::numeric_service,
                           [self = shared_from_this(), number](
                               const error_code& failed, const tcp::resolver::results_type& found) {
                             if (self->is_past(number)) return;
                             if (failed || found.empty()) return self->pause();
                             self->endpoint = found.begin()->endpoint();
                             self->connect(number);
                           });
  }

  void connect(std::uint64_t number) {
    socket = tcp::socket(socket.get_executor());
    if (options.make_socket) {
      UniqueFd fd = options.make_socket();
      error_code error;
      if (fd) socket.assign(endpoint.protocol(), fd.get(), error);
      if (!fd || error) return pause();
      (void)fd.release();
    }
    socket.async_connect(endpoint, [self = shared_from_this(), number](const error_code& failed) {
      if (self->is_past(number)) return;
      self->timer.cancel();
      if (failed) return self->pause();
      if (self->options.settle.count() > 0) return self->see_whether_it_stays(number);
      self->succeed();
    });
    timer.expires_after(options.patience);
    timer.async_wait([self = shared_from_this(), number](const error_code& e) {
      if (e || self->is_past(number)) return;
      error_code ignored;
      self->socket.close(ignored);  // ends the connect
    });
  }

  void succeed() {
    ended = true;
    error_code ignored;
    socket.close(ignored);
    accepted(endpoint);
  }

  // Nobody speaks first in HTTP: what can be read is the end.
  void see_whether_it_stays(std::uint64_t number) {
    socket.async_wait(tcp::socket::wait_read,
                      [self = shared_from_this(), number](const error_code& error) {
                        if (error == asio::error::operation_aborted || self->is_past(number)) {
                          return;
                        }
                        self->timer.cancel();
                        self->pause();
                      });
    timer.expires_after(options.settle);
    timer.async_wait([self = shared_from_this(), number](const error_code& error) {
      if (!error && !self->is_past(number)) self->succeed();
    });
  }

  void pause() {
    timer.expires_after(name.empty() ? pause_after(Clock::now() - begun) : kPauseOfNames);
    timer.async_wait([self = shared_from_this()](const error_code& e) {
      if (!e && !self->ended) self->attempt();
    });
  }

  tcp::resolver resolver;
  tcp::socket socket;
  asio::steady_timer timer;
  const Accepted accepted;
  const ConnectProbeOptions options;
  std::string name;        // to look up, or empty
  tcp::endpoint endpoint;  // of a name: the port, and the address found last
  const Clock::time_point begun = Clock::now();
  std::uint64_t attempts = 0;
  bool ended = false;
};

ConnectProbe::ConnectProbe(asio::io_context& context, tcp::endpoint endpoint, Accepted accepted,
                           ConnectProbeOptions options)
    : state_(std::make_shared<State>(context, std::move(accepted), std::move(options))) {
  state_->endpoint = std::move(endpoint);
  state_->attempt();
}

ConnectProbe::ConnectProbe(asio::io_context& context, const std::string& host, std::uint16_t port,
                           Accepted accepted, ConnectProbeOptions options)
    : state_(std::make_shared<State>(context, std::move(accepted), std::move(options))) {
  error_code is_name;
  state_->endpoint = tcp::endpoint(asio::ip::make_address(host, is_name), port);
  if (is_name) state_->name = host;
  state_->attempt();
}

ConnectProbe::~ConnectProbe() {
  state_->ended = true;
  error_code ignored;
  state_->socket.close(ignored);
  state_->resolver.cancel();
  state_->timer.cancel();
}

}  // namespace berth::support
