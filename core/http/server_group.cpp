// SPDX-License-Identifier: Apache-2.0
#include "http/server_group.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/unique_fd.hpp"
#include "http/listener.hpp"

namespace berth::http {

ServerGroup::~ServerGroup() {
  if (listener_) listener_->close(false);
}

Status ServerGroup::bind_tcp(const std::string& address) {
  auto listener = Listener::open_tcp(io_, address, [this](int fd) { accepted(fd); });
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return {};
}

std::uint16_t ServerGroup::port() const {
  return listener_ ? listener_->port() : std::uint16_t{0};
}

void ServerGroup::start(const std::vector<Member>& members) {
  for (const Member& member : members) {
    places_.push_back({member, std::make_shared<std::atomic<std::size_t>>(0)});
  }
  listener_->start();
}

void ServerGroup::accepted(int fd) {
  const auto place =
      std::min_element(places_.begin(), places_.end(),
                       [](const auto& a, const auto& b) { return a.load() < b.load(); });
  ++*place->coming;
  boost::asio::post(place->member.io, [fd = UniqueFd(fd), &server = place->member.server,
                                       coming = place->coming]() mutable {
    server.adopt(fd.release());
    --*coming;
  });
}

void ServerGroup::close() {
  if (const auto listener = std::exchange(listener_, nullptr)) listener->close(!places_.empty());
}

}  // namespace berth::http
