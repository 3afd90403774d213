// SPDX-License-Identifier: Apache-2.0
#include "http/client_resolve.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <utility>

namespace berth::http {

struct Resolver::Impl {
  explicit Impl(boost::asio::io_context& io) : resolver(io) {}
  boost::asio::ip::tcp::resolver resolver;
};

Resolver::Resolver(boost::asio::io_context& io) : impl_(std::make_unique<Impl>(io)) {}

Resolver::~Resolver() = default;

void Resolver::resolve(const std::string& host, std::uint16_t port, Resolved resolved) {
  using boost::asio::ip::tcp;
  impl_->resolver.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service,
      [resolved = std::move(resolved)](const boost::system::error_code& error,
                                       const tcp::resolver::results_type& results) {
        if (error == boost::asio::error::operation_aborted) return;
        std::vector<SocketAddress> addresses;
        for (const auto& result : results) {
          const tcp::endpoint endpoint = result.endpoint();
          SocketAddress address;
          address.size = static_cast<socklen_t>(endpoint.size());
          std::memcpy(&address.storage, endpoint.data(), endpoint.size());
          addresses.push_back(address);
        }
        std::string text;
        if (addresses.empty()) text = error ? error.message() : "no address";
        resolved(std::move(addresses), std::move(text));
      });
}

}  // namespace berth::http
