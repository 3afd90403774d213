// SPDX-License-Identifier: Apache-2.0
#include "mesos/connect_probe.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A port that nobody forwards yet may swallow the attempt.
constexpr milliseconds kPatience{1'000};

milliseconds pause_after(Clock::duration elapsed) {
  if (elapsed < milliseconds(500)) return milliseconds(1);
  if (elapsed < milliseconds(5'000)) return milliseconds(10);
  return milliseconds(100);
}

}  // namespace

struct ConnectProbe::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, const std::string& address,
        std::function<void(std::string)> then)
      : resolver(context), socket(context), timer(context), accepted(std::move(then)) {
    const std::size_t colon = address.rfind(':');
    host = address.substr(0, colon);
    port = address.substr(colon + 1);
  }

  void attempt() {
    const std::uint64_t number = ++attempts;
    boost::system::error_code error;
    const auto literal = asio::ip::make_address(host, error);
    if (!error) {
      return connect(tcp::endpoint(literal, static_cast<std::uint16_t>(std::stoi(port))), number);
    }
    resolver.async_resolve(
        host, port, tcp::resolver::numeric_service,
        [self = shared_from_this(), number](const boost::system::error_code& failed,
                                            const tcp::resolver::results_type& found) {
          if (self->ended || number != self->attempts) return;
          if (failed || found.empty()) return self->pause();
          self->connect(found.begin()->endpoint(), number);
        });
  }

  void connect(const tcp::endpoint& endpoint, std::uint64_t number) {
    socket = tcp::socket(socket.get_executor());
    socket.async_connect(endpoint, [self = shared_from_this(), endpoint,
                                    number](const boost::system::error_code& failed) {
      if (self->ended || number != self->attempts) return;
      self->timer.cancel();
      if (failed) return self->pause();
      self->ended = true;
      boost::system::error_code ignored;
      self->socket.close(ignored);
      std::string text = endpoint.address().to_string();
      if (endpoint.address().is_v6()) text = "[" + text + "]";
      self->accepted(text + ":" + std::to_string(endpoint.port()));
    });
    timer.expires_after(kPatience);
    timer.async_wait([self = shared_from_this(), number](const boost::system::error_code& e) {
      if (e || self->ended || number != self->attempts) return;
      boost::system::error_code ignored;
      self->socket.close(ignored);
    });
  }

  void pause() {
    timer.expires_after(pause_after(Clock::now() - begun));
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& e) {
      if (!e && !self->ended) self->attempt();
    });
  }

  tcp::resolver resolver;
  tcp::socket socket;
  asio::steady_timer timer;
  const std::function<void(std::string)> accepted;
  std::string host;
  std::string port;
  const Clock::time_point begun = Clock::now();
  std::uint64_t attempts = 0;
  bool ended = false;
};

ConnectProbe::ConnectProbe(asio::io_context& context, const std::string& address,
                           std::function<void(std::string)> accepted)
    : state_(std::make_shared<State>(context, address, std::move(accepted))) {
  state_->attempt();
}

ConnectProbe::~ConnectProbe() {
  state_->ended = true;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  state_->resolver.cancel();
  state_->timer.cancel();
}

}  // namespace berth::mesos
