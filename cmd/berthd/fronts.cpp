// SPDX-License-Identifier: Apache-2.0
#include "fronts.hpp"

#include <atomic>
#include <fmt/format.h>

#include "activation/posted_intake.hpp"
#include "worker.hpp"

namespace berth::daemon {

struct Fronts::Front {
  explicit Front(std::size_t number) : worker(fmt::format("berthd-http-{}", number)) {}

  Worker worker;
  std::unique_ptr<activation::PostedIntake> intake;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<http::Server> server;
};

Fronts::Fronts(std::size_t threads) {
  for (std::size_t i = 0; i < threads; ++i) fronts_.push_back(std::make_unique<Front>(i + 1));
  group_ = std::make_unique<http::ServerGroup>(fronts_.front()->worker.io());
}

Fronts::~Fronts() {
  join();
}

void Fronts::join() {
  close();
  for (const auto& front : fronts_) front->worker.join();
}

Status Fronts::bind(const std::string& address) {
  Status bound = fronts_.front()->worker.run([&] { return group_->bind_tcp(address); });
  port_ = group_->port();
  return bound;
}

std::vector<boost::asio::io_context*> Fronts::ios() const {
  std::vector<boost::asio::io_context*> all;
  for (const auto& front : fronts_) all.push_back(&front->worker.io());
  return all;
}

void Fronts::open(http::ServerOptions options, boost::asio::io_context& house,
                  activation::Intake& next, const MakeApi& make_api) {
  const std::size_t count = fronts_.size();
  options.max_connections = (options.max_connections + count - 1) / count;
  options.buffered = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<http::ServerGroup::Member> members;
  for (const auto& each : fronts_) {
    Front& front = *each;
    front.worker.run([&] {
      boost::asio::io_context& io = front.worker.io();
      front.intake = std::make_unique<activation::PostedIntake>(io, house, next);
      front.api = make_api(io, *front.intake);
      front.server = std::make_unique<http::Server>(
          io, options,
          [&front](const http::Request& request, http::Responder responder) {
            front.api->handle(request, std::move(responder));
          },
          api::server_error);
    });
    members.push_back({front.worker.io(), *front.server});
  }
  fronts_.front()->worker.run([&] { group_->start(members); });
}

void Fronts::drain() {
  // What it accepts last may come to a server that drains already: that one sees to it.
  fronts_.front()->worker.run([this] { group_->close(); });
  for (const auto& front : fronts_) {
    front->worker.run([&front] {
      if (front->server) front->server->drain();
    });
  }
}

void Fronts::close() {
  if (!group_) return;
  fronts_.front()->worker.run([this] {
    group_->close();
    group_.reset();
  });
  for (const auto& front : fronts_) {
    front->worker.run([&front] {
      front->server.reset();
      // Its timer for waiting callers would keep the loop running.
      front->api.reset();
    });
  }
}

}  // namespace berth::daemon
