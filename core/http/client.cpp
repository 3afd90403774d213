// SPDX-License-Identifier: Apache-2.0
#include "http/client.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "http/client_connection.hpp"
#include "http/client_resolve.hpp"
#include "http/text.hpp"

namespace berth::http {
namespace {

constexpr std::size_t kJoined = 4 * 1024;

bool is_path(std::string_view path) {
  return !path.empty() && path.front() == '/' &&
         std::all_of(path.begin(), path.end(), is_target_char);
}

}  // namespace

struct Client::Impl : ClientConnectionOwner, std::enable_shared_from_this<Impl> {
  explicit Impl(boost::asio::io_context& io_context)
      : io(io_context), waiting_limit(Ticker::of(io_context), &Impl::waiting_expired, this) {}

  void post(ClientRequest request, Handler handler);
  void start(std::unique_ptr<PendingExchange> exchange);
  void connect(std::unique_ptr<PendingExchange> exchange, std::vector<SocketAddress> addresses);
  void resolve(std::unique_ptr<PendingExchange> exchange);
  void resolved(std::vector<SocketAddress> addresses, const std::string& error);
  void limit_waiting();
  static void waiting_expired(void* self);
  void add_busy(std::shared_ptr<ClientConnection> connection);
  void remove_busy(const ClientConnection& connection);
  void finished(const std::shared_ptr<ClientConnection>& connection, Handler handler,
                ClientResponse response, bool reusable) override;
  void deliver_later(Handler handler, Exchange how, std::string error);
  void close_idle();
  void shut();

  boost::asio::io_context& io;
  std::string host_and_length;           // the request's head between its path and the length
  std::vector<SocketAddress> addresses;  // empty: `name` is resolved for each connection
  HostPort name;
  std::deque<std::shared_ptr<ClientConnection>> idle;  // the last used is the last
  std::vector<std::shared_ptr<ClientConnection>> busy;
  std::optional<Resolver> resolver;
  std::vector<std::unique_ptr<PendingExchange>> waiting;  // for the name to be resolved
  Ticker::Limit waiting_limit;
  bool posting = false;  // handlers are not called from inside post()
};

// ---- Impl -------------------------------------------------------------------------------------

void Client::Impl::start(std::unique_ptr<PendingExchange> exchange) {
  // The ones not used for long go one by one, lest they stay half closed for ever.
  if (idle.size() > 1 && !idle.front()->is_fresh()) {
    idle.front()->abort();
    idle.pop_front();
  }
  while (!idle.empty()) {
    const std::shared_ptr<ClientConnection> connection = std::move(idle.back());
    idle.pop_back();
    if (!connection->is_fresh()) {
      connection->abort();
      continue;
    }
    exchange = connection->send_on_idle(std::move(exchange));
    if (!exchange) return add_busy(connection);
  }
  if (addresses.empty()) return resolve(std::move(exchange));
  connect(std::move(exchange), addresses);
}

void Client::Impl::connect(std::unique_ptr<PendingExchange> exchange,
                           std::vector<SocketAddress> to) {
  const auto connection = std::make_shared<ClientConnection>(io, *this);
  add_busy(connection);
  connection->connect(std::move(exchange), std::move(to));
}

void Client::Impl::add_busy(std::shared_ptr<ClientConnection> connection) {
  connection->index = busy.size();
  busy.push_back(std::move(connection));
}

void Client::Impl::remove_busy(const ClientConnection& connection) {
  const std::size_t index = connection.index;
  if (index + 1 != busy.size()) {
    std::swap(busy[index], busy.back());
    busy[index]->index = index;
  }
  busy.pop_back();
}

void Client::Impl::finished(const std::shared_ptr<ClientConnection>& connection, Handler handler,
                            ClientResponse response, bool reusable) {
  const std::shared_ptr<Impl> self = shared_from_this();  // the handler may destroy the Client
  remove_busy(*connection);
  if (reusable) idle.push_back(connection);
  if (!posting) return handler(std::move(response));
  boost::asio::post(io, [handler = std::move(handler), response = std::move(response)]() mutable {
    handler(std::move(response));
  });
}

void Client::Impl::deliver_later(Handler handler, Exchange how, std::string error) {
  ClientResponse response;
  response.exchange = how;
  response.error = std::move(error);
  boost::asio::post(io, [handler = std::move(handler), response = std::move(response)]() mutable {
    handler(std::move(response));
  });
}

void Client::Impl::close_idle() {
  for (const auto& connection : std::exchange(idle, {})) connection->abort();
}

void Client::Impl::shut() {
  close_idle();
  resolver.reset();
  waiting_limit.clear();
  for (const auto& connection : std::exchange(busy, {})) {
    const Exchange how = connection->nothing_sent() ? Exchange::kConnectFailed : Exchange::kBroken;
    deliver_later(connection->abort(), how, "the client was closed");
  }
  for (const auto& exchange : std::exchange(waiting, {})) {
    deliver_later(std::move(exchange->handler), Exchange::kConnectFailed, "the client was closed");
  }
}

// ---- names ------------------------------------------------------------------------------------

void Client::Impl::resolve(std::unique_ptr<PendingExchange> exchange) {
  const bool under_way = !waiting.empty();
  waiting.push_back(std::move(exchange));
  limit_waiting();
  if (under_way) return;
  if (!resolver) resolver.emplace(io);
  resolver->resolve(
      name.host, name.port,
      [weak = weak_from_this()](std::vector<SocketAddress> found, const std::string& error) {
        if (const auto self = weak.lock()) self->resolved(std::move(found), error);
      });
}

void Client::Impl::resolved(std::vector<SocketAddress> found, const std::string& error) {
  waiting_limit.clear();
  for (auto& exchange : std::exchange(waiting, {})) {
    if (found.empty()) {
      deliver_later(std::move(exchange->handler), Exchange::kConnectFailed,
                    "'" + name.host + "' cannot be resolved: " + error);
    } else {
      connect(std::move(exchange), found);
    }
  }
}

void Client::Impl::limit_waiting() {
  SteadyTime first = SteadyTime::max();
  for (const auto& exchange : waiting) first = std::min(first, exchange->deadline);
  waiting_limit.clear();
  if (!waiting.empty()) waiting_limit.set(first);
}

void Client::Impl::waiting_expired(void* self) {
  auto& impl = *static_cast<Impl*>(self);
  const SteadyTime now = std::chrono::steady_clock::now();
  const auto late =
      std::stable_partition(impl.waiting.begin(), impl.waiting.end(),
                            [now](const auto& exchange) { return exchange->deadline > now; });
  for (auto exchange = late; exchange != impl.waiting.end(); ++exchange) {
    impl.deliver_later(std::move((*exchange)->handler), Exchange::kTimedOut, "the deadline passed");
  }
  impl.waiting.erase(late, impl.waiting.end());
  // With nobody waiting a later post() must ask anew.
  if (impl.waiting.empty()) impl.resolver.reset();
  impl.limit_waiting();
}

// ---- Client -----------------------------------------------------------------------------------

Client::Client(boost::asio::io_context& io, std::shared_ptr<Impl> impl)
    : io_(io), impl_(std::move(impl)) {}

Client::~Client() {
  if (is_remote()) {
    // It ends there, too.
    boost::asio::io_context& wire = impl_->io;
    boost::asio::post(wire, [impl = std::move(impl_)] { impl->shut(); });
  } else {
    impl_->shut();
  }
}

bool Client::is_remote() const {
  return &io_ != &impl_->io;
}

Result<std::unique_ptr<Client>> Client::open(boost::asio::io_context& io, std::string_view address,
                                             boost::asio::io_context* wire) {
  auto impl = std::make_shared<Impl>(wire != nullptr ? *wire : io);
  std::string host = "localhost";
  if (address.starts_with("unix:")) {
    auto path = unix_address(address.substr(5));
    if (!path) return path.error();
    impl->addresses.push_back(*path);
  } else if (address.starts_with("tcp://")) {
    auto name = split_host_port(address.substr(6));
    if (!name) return name.error();
    if (!is_host_text(name->host)) {
      return sdk::invalid_argument("'" + name->host + "' is no host name");
    }
    host = address.substr(6);
    if (auto literal = literal_address(name->host, name->port)) impl->addresses.push_back(*literal);
    impl->name = std::move(*name);
  } else {
    return sdk::invalid_argument("'" + std::string(address) +
                                 "' is no address: write tcp://host:port or unix:/path");
  }
  impl->host_and_length = " HTTP/1.1\r\nHost: " + host +
                          "\r\nContent-Type: application/json\r\nAccept: application/json"
                          "\r\nContent-Length: ";
  return std::unique_ptr<Client>(new Client(io, std::move(impl)));
}

void Client::post(ClientRequest request, Handler handler) {
  if (!is_remote()) return impl_->post(std::move(request), std::move(handler));
  // The handler is called and ends on this side.
  Handler home = [&io = io_, handler = std::move(handler)](ClientResponse response) mutable {
    response.ended = std::chrono::steady_clock::now();
    boost::asio::post(io, [handler = std::move(handler), response = std::move(response)]() mutable {
      handler(std::move(response));
    });
  };
  boost::asio::post(impl_->io,
                    [impl = impl_, request = std::move(request), home = std::move(home)]() mutable {
                      impl->post(std::move(request), std::move(home));
                    });
}

void Client::close_idle() {
  if (!is_remote()) return impl_->close_idle();
  boost::asio::post(impl_->io, [impl = impl_] { impl->close_idle(); });
}

void Client::Impl::post(ClientRequest request, Handler handler) {
  if (!is_path(request.path)) {
    return deliver_later(std::move(handler), Exchange::kConnectFailed,
                         "the path is no request target");
  }
  if (request.deadline <= std::chrono::steady_clock::now()) {
    return deliver_later(std::move(handler), Exchange::kTimedOut, "the deadline passed");
  }
  auto exchange = std::make_unique<PendingExchange>();
  const std::string length = std::to_string(request.body.size());
  // To copy a short body is cheaper than to hand the kernel two pieces.
  const std::size_t joined = request.body.size() <= kJoined ? request.body.size() : 0;
  exchange->head.reserve(5 + request.path.size() + host_and_length.size() + length.size() + 4 +
                         joined);
  exchange->head.append("POST ").append(request.path).append(host_and_length);
  exchange->head.append(length).append("\r\n\r\n");
  if (joined > 0) {
    exchange->head.append(request.body);
  } else {
    exchange->body = std::move(request.body);
  }
  exchange->deadline = request.deadline;
  exchange->max_body_bytes = request.max_body_bytes;
  exchange->handler = std::move(handler);
  posting = true;
  start(std::move(exchange));
  posting = false;
}

}  // namespace berth::http
