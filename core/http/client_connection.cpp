// SPDX-License-Identifier: Apache-2.0
#include "http/client_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include <utility>

#include "base/files.hpp"
#include "base/unique_fd.hpp"

namespace berth::http {
namespace {

constexpr int kReadsAtOnce = 16;
// A cut body is read to its end, and the connection kept, if no more than this is left of it.
constexpr std::uint64_t kDrained = 64 * 1024;
constexpr int kMaxInterimResponses = 8;
// A unix socket whose backlog is full reports it at once and wakes nobody later.
constexpr std::chrono::milliseconds kConnectRetry{20};

ParserLimits response_limits() {
  ParserLimits limits;
  limits.cut_body = true;
  return limits;
}

}  // namespace

ClientConnection::ClientConnection(boost::asio::io_context& io, ClientConnectionOwner& owner)
    : owner_(&owner),
      socket_(io),
      limit_(Ticker::of(io), &ClientConnection::expired, this),
      parser_(Parser::Kind::kResponse, response_limits()) {}

// ---- connecting -------------------------------------------------------------------------------

void ClientConnection::connect(std::unique_ptr<PendingExchange> exchange,
                               std::vector<SocketAddress> addresses) {
  exchange_ = std::move(exchange);
  addresses_ = std::move(addresses);
  next_address_ = 0;
  try_connect();
}

void ClientConnection::try_connect() {
  const SocketAddress& address = addresses_[next_address_];
  const int family = address.family();
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return connect_failed(errno);
  if (family != AF_UNIX) {
    const int one = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  int error = 0;
  while (::connect(fd.get(), address.get(), address.size) != 0) {
    error = errno;
    if (error != EINTR) break;
    error = 0;
  }
  if (error == EAGAIN && family == AF_UNIX) {
    state_ = State::kRetrying;
    return limit_.set(
        std::min(exchange_->deadline, std::chrono::steady_clock::now() + kConnectRetry));
  }
  if (error != 0 && error != EINPROGRESS && error != EALREADY) return connect_failed(error);
  if (!socket_.adopt(fd.release())) return connect_failed(EMFILE);
  if (error == 0) return connected();
  state_ = State::kConnecting;
  limit_exchange();
  socket_.wait_writable(shared_from_this());
}

void ClientConnection::connect_failed(int error) {
  socket_.close();
  if (++next_address_ < addresses_.size()) return try_connect();
  end(Exchange::kConnectFailed, "connect: " + errno_text(error));
}

void ClientConnection::connected() {
  addresses_.clear();
  const int error = send_some();
  if (error != 0 && sent_ == 0) {
    return end(Exchange::kConnectFailed, "nothing could be sent: " + errno_text(error));
  }
  limit_exchange();
  socket_.wait_readable(shared_from_this());
}

// ---- the exchange -----------------------------------------------------------------------------

std::unique_ptr<PendingExchange> ClientConnection::send_on_idle(
    std::unique_ptr<PendingExchange> exchange) {
  exchange_ = std::move(exchange);
  const int error = send_some();
  if (error != 0 && sent_ == 0) {
    exchange = std::move(exchange_);
    close();
    return exchange;
  }
  limit_exchange();
  socket_.wait_readable(shared_from_this());
  return nullptr;
}

bool ClientConnection::is_fresh() {
  return state_ == State::kIdle && socket_.peek() == Socket::Peer::kQuiet;
}

void ClientConnection::limit_exchange() {
  if (state_ != State::kConnecting) state_ = State::kExchanging;
  limit_.set(exchange_->deadline);
}

// Sends what it can: 0, or the errno that ended sending.
int ClientConnection::send_some() {
  const std::string_view head = exchange_->head;
  const std::string_view body = exchange_->body;
  const std::size_t total = head.size() + body.size();
  while (sent_ < total) {
    const std::string_view rest_of_head = head.substr(std::min(sent_, head.size()));
    const std::string_view rest_of_body = body.substr(sent_ - (head.size() - rest_of_head.size()));
    const IoResult result = rest_of_head.empty() ? socket_.send(rest_of_body, {})
                                                 : socket_.send(rest_of_head, rest_of_body);
    if (result.kind == IoResult::Kind::kFailed) {
      send_failed_ = true;
      return result.error;
    }
    if (result.kind == IoResult::Kind::kWouldBlock) {
      if (!send_waits_) socket_.wait_writable(shared_from_this());
      send_waits_ = true;
      return 0;
    }
    sent_ += result.bytes;
  }
  return 0;
}

void ClientConnection::on_writable() {
  if (state_ == State::kConnecting) {
    const int error = socket_.connect_error();
    state_ = State::kIdle;
    return error == 0 ? connected() : connect_failed(error);
  }
  send_waits_ = false;
  // A failure is no end yet: the peer may have answered (413, say) before it closed, and the read
  // that is waited for tells.
  if (state_ == State::kExchanging && !send_failed_) send_some();
}

void ClientConnection::on_readable() {
  if (state_ == State::kExchanging) receive_some();
}

void ClientConnection::receive_some() {
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const std::span<char> room = buffer_.prepare();
    const IoResult result = socket_.receive(room);
    switch (result.kind) {
      case IoResult::Kind::kWouldBlock: return socket_.wait_readable(shared_from_this());
      case IoResult::Kind::kFailed:
        return end(Exchange::kBroken, "receiving the response: " + errno_text(result.error));
      case IoResult::Kind::kEnd:
        if (parser_.finish() == Parser::State::kDone) return complete();
        return end(Exchange::kBroken, buffer_.empty()
                                          ? "the connection was closed without a response"
                                          : "the connection was closed within the response");
      case IoResult::Kind::kBytes: break;
    }
    buffer_.commit(result.bytes);
    if (take_received()) return;
    if (result.bytes < room.size()) break;
  }
  socket_.wait_readable(shared_from_this());
}

// Parses what came; true if that ended the exchange.
bool ClientConnection::take_received() {
  for (;;) {
    if (parser_.state() == Parser::State::kHead)
      parser_.set_max_body_bytes(exchange_->max_body_bytes);
    std::size_t size = buffer_.size();
    const Parser::State parsed = parser_.parse(buffer_.data(), size);
    buffer_.resize(size);
    if (parsed == Parser::State::kHead) return false;
    if (parsed == Parser::State::kError) {
      end(Exchange::kBroken, "malformed response: " + std::string(parser_.error()));
      return true;
    }
    if (parsed == Parser::State::kBody) {
      const std::uint64_t seen = parser_.body_seen();
      const std::uint64_t remaining = parser_.body_remaining();
      const std::uint64_t whole = seen + std::min(remaining, ~std::uint64_t{0} - seen);
      if (whole <= exchange_->max_body_bytes || parser_.body_size() < exchange_->max_body_bytes ||
          whole - exchange_->max_body_bytes <= kDrained) {
        return false;
      }
      complete();  // enough is known of a body that is cut anyway
      return true;
    }
    if (parser_.response_status() / 100 != 1) {
      complete();
      return true;
    }
    if (parser_.response_status() == 101 || ++interim_responses_ > kMaxInterimResponses) {
      end(Exchange::kBroken, "unexpected interim responses");
      return true;
    }
    buffer_.consume(parser_.message_size());
    parser_.reset();
    if (buffer_.empty()) return false;
  }
}

void ClientConnection::complete() {
  ClientResponse response;
  response.exchange = Exchange::kResponse;
  response.status = parser_.response_status();
  response.body = parser_.body(buffer_.data());
  const std::uint64_t seen = parser_.body_seen();
  response.length = seen + std::min(parser_.body_remaining(), ~std::uint64_t{0} - seen);
  response.truncated = response.length > response.body.size();
  const bool whole = parser_.state() == Parser::State::kDone;
  const bool all_sent = !send_failed_ && sent_ == exchange_->head.size() + exchange_->body.size();
  const bool reusable =
      whole && all_sent && parser_.keep_alive() && buffer_.size() == parser_.message_size();
  const std::shared_ptr<ClientConnection> self = shared_from_this();
  Client::Handler handler = std::move(exchange_->handler);
  if (reusable) {
    exchange_.reset();
    limit_.clear();
    buffer_.release();
    parser_.reset();
    sent_ = 0;
    interim_responses_ = 0;
    state_ = State::kIdle;
  } else {
    close();
  }
  owner_->finished(self, std::move(handler), std::move(response), reusable);
}

void ClientConnection::end(Exchange how, std::string error) {
  const std::shared_ptr<ClientConnection> self = shared_from_this();
  ClientResponse response;
  response.exchange = how;
  response.error = std::move(error);
  Client::Handler handler = std::move(exchange_->handler);
  close();
  owner_->finished(self, std::move(handler), std::move(response), false);
}

void ClientConnection::close() {
  state_ = State::kClosed;
  limit_.clear();
  socket_.close();
  buffer_.release();
  exchange_.reset();
}

Client::Handler ClientConnection::abort() {
  Client::Handler handler;
  if (exchange_) handler = std::move(exchange_->handler);
  close();
  return handler;
}

void ClientConnection::expired(void* self) {
  const std::shared_ptr<ClientConnection> connection =
      static_cast<ClientConnection*>(self)->shared_from_this();
  if (connection->state_ == State::kRetrying &&
      std::chrono::steady_clock::now() < connection->exchange_->deadline) {
    return connection->try_connect();
  }
  if (connection->exchange_) connection->end(Exchange::kTimedOut, "the deadline passed");
}

}  // namespace berth::http
