// SPDX-License-Identifier: Apache-2.0
#include "docker/probe.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Where nothing listens a connect is refused at once; where no machine is yet it hangs.
constexpr milliseconds kPatience{100};

// Short while a start may be over any moment.
milliseconds pause_after(Clock::duration elapsed) {
  if (elapsed < milliseconds(2000)) return milliseconds(1);
  if (elapsed < milliseconds(10'000)) return milliseconds(10);
  return milliseconds(50);
}

}  // namespace

struct Probe::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, tcp::endpoint where, std::function<void()> then, MakeSocket make,
        milliseconds stay)
      : socket(context),
        timer(context),
        endpoint(std::move(where)),
        accepted(std::move(then)),
        make_socket(std::move(make)),
        settle(stay) {}

  void attempt() {
    const std::uint64_t number = ++attempts;
    socket = tcp::socket(socket.get_executor());
    if (make_socket) {
      support::UniqueFd fd = make_socket();
      boost::system::error_code error;
      if (fd) socket.assign(endpoint.protocol(), fd.get(), error);
      if (!fd || error) return pause();
      (void)fd.release();
    }
    socket.async_connect(
        endpoint, [self = shared_from_this(), number](const boost::system::error_code& failed) {
          if (self->ended || number != self->attempts) return;
          self->timer.cancel();
          if (failed) return self->pause();
          if (self->settle.count() > 0) return self->see_whether_it_stays(number);
          self->succeed();
        });
    timer.expires_after(kPatience);
    timer.async_wait([self = shared_from_this(), number](const boost::system::error_code& e) {
      if (e || self->ended || number != self->attempts) return;
      boost::system::error_code ignored;
      self->socket.close(ignored);  // ends the connect
    });
  }

  void succeed() {
    ended = true;
    boost::system::error_code ignored;
    socket.close(ignored);
    accepted();
  }

  // Nobody speaks first in HTTP: what can be read is the end.
  void see_whether_it_stays(std::uint64_t number) {
    socket.async_wait(tcp::socket::wait_read, [self = shared_from_this(),
                                               number](const boost::system::error_code& error) {
      if (error == asio::error::operation_aborted || self->ended || number != self->attempts) {
        return;
      }
      self->timer.cancel();
      self->pause();
    });
    timer.expires_after(settle);
    timer.async_wait([self = shared_from_this(), number](const boost::system::error_code& error) {
      if (!error && !self->ended && number == self->attempts) self->succeed();
    });
  }

  void pause() {
    timer.expires_after(pause_after(Clock::now() - begun));
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& e) {
      if (!e && !self->ended) self->attempt();
    });
  }

  tcp::socket socket;
  asio::steady_timer timer;
  const tcp::endpoint endpoint;
  const std::function<void()> accepted;
  const MakeSocket make_socket;
  const milliseconds settle;
  const Clock::time_point begun = Clock::now();
  std::uint64_t attempts = 0;
  bool ended = false;
};

Probe::Probe(asio::io_context& context, tcp::endpoint endpoint, std::function<void()> accepted,
             MakeSocket make_socket, milliseconds settle)
    : state_(std::make_shared<State>(context, std::move(endpoint), std::move(accepted),
                                     std::move(make_socket), settle)) {
  state_->attempt();
}

Probe::~Probe() {
  state_->ended = true;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  state_->timer.cancel();
}

}  // namespace berth::docker
