// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <utility>
#include <vector>

#include "http/connection.hpp"
#include "http/listener.hpp"

namespace berth::http {
namespace {

// So many more than max_connections are told that there are too many; the rest are just closed.
constexpr std::size_t kRefusedPolitely = 64;

}  // namespace

// ---- Responder --------------------------------------------------------------------------------

Responder::Responder(std::shared_ptr<Target> target) : target_(std::move(target)) {}

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    if (const auto target = std::exchange(target_, std::move(other.target_))) target->abandon();
  }
  return *this;
}

Responder::~Responder() {
  if (target_) target_->abandon();
}

void Responder::send(Response response) {
  if (const auto target = std::exchange(target_, nullptr)) target->reply(std::move(response));
}

// ---- Server -----------------------------------------------------------------------------------

struct Server::Impl {
  Impl(boost::asio::io_context& io, ServerOptions options, Handler handler, ErrorBody error_body)
      : context(std::make_shared<ConnectionContext>(io, options, std::move(handler),
                                                    std::move(error_body))) {}

  Listener::Accepted on_accepted() {
    return [this](int fd) { accepted(fd); };
  }
  Status add(Result<std::shared_ptr<Listener>> listener);
  void accepted(int fd);
  void stop_listening(bool accept_waiting);
  std::vector<std::shared_ptr<Connection>> take_connections() const { return context->connections; }

  std::shared_ptr<ConnectionContext> context;
  std::vector<std::shared_ptr<Listener>> listeners;
  std::uint16_t port = 0;
};

Status Server::Impl::add(Result<std::shared_ptr<Listener>> listener) {
  if (!listener) return listener.error();
  listeners.push_back(*listener);
  if (port == 0) port = (*listener)->port();
  (*listener)->start();
  return {};
}

void Server::Impl::accepted(int fd) {
  const std::size_t count = context->connections.size();
  if (count >= context->options.max_connections + kRefusedPolitely) {
    UniqueFd(fd).reset();
    return;
  }
  const auto connection = std::make_shared<Connection>(context);
  connection->start(fd, count >= context->options.max_connections);
  if (context->draining) connection->drain();
}

void Server::Impl::stop_listening(bool accept_waiting) {
  for (const auto& listener : std::exchange(listeners, {})) listener->close(accept_waiting);
}

Server::Server(boost::asio::io_context& io, ServerOptions options, Handler handler,
               ErrorBody error_body)
    : impl_(std::make_shared<Impl>(io, options, std::move(handler), std::move(error_body))) {}

Server::~Server() {
  close();
}

Status Server::listen_tcp(const std::string& address) {
  return impl_->add(Listener::open_tcp(impl_->context->io, address, impl_->on_accepted()));
}

Status Server::listen_unix(const std::string& path) {
  return impl_->add(Listener::open_unix(impl_->context->io, path, impl_->on_accepted()));
}

void Server::adopt(int fd) {
  impl_->accepted(fd);
}

std::uint16_t Server::port() const {
  return impl_->port;
}

std::size_t Server::connections() const {
  return impl_->context->count.load(std::memory_order_relaxed);
}

void Server::drain() {
  impl_->context->draining = true;
  impl_->stop_listening(true);
  for (const auto& connection : impl_->take_connections()) connection->drain();
}

void Server::close() {
  impl_->context->draining = true;
  impl_->stop_listening(false);
  for (const auto& connection : impl_->take_connections()) connection->close();
}

}  // namespace berth::http
