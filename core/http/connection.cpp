// SPDX-License-Identifier: Apache-2.0
#include "http/connection.hpp"

#include <array>
#include <utility>

#include "http/response_head.hpp"

namespace berth::http {
namespace {

// Between two looks at other connections.
constexpr int kReadsAtOnce = 16;
constexpr std::size_t kDiscardAtOnce = 16 * 1024;
constexpr std::chrono::seconds kLinger{5};
// A reader slower than this in a write_timeout only wants to hold our memory.
constexpr std::size_t kProgress = 16 * 1024;
// To copy so much is cheaper than to hand the kernel two pieces.
constexpr std::size_t kJoined = 4 * 1024;

ServerOptions with_count(ServerOptions options) {
  if (!options.buffered) options.buffered = std::make_shared<std::atomic<std::size_t>>(0);
  return options;
}

}  // namespace

// ---- context ----------------------------------------------------------------------------------

ConnectionContext::ConnectionContext(boost::asio::io_context& io_context,
                                     ServerOptions server_options, Server::Handler request_handler,
                                     Server::ErrorBody make_error_body)
    : io(io_context),
      ticker(Ticker::of(io_context)),
      options(with_count(std::move(server_options))),
      handler(std::move(request_handler)),
      error_body(std::move(make_error_body)),
      buffered(*options.buffered) {
  limits.max_header_bytes = options.max_header_bytes;
  limits.max_target_bytes = options.max_target_bytes;
  limits.max_body_bytes = options.max_body_bytes;
}

void ConnectionContext::add(std::shared_ptr<Connection> connection) {
  connection->index_ = connections.size();
  connections.push_back(std::move(connection));
  count.store(connections.size(), std::memory_order_relaxed);
}

void ConnectionContext::remove(const Connection& connection) {
  const std::size_t index = connection.index_;
  if (index + 1 != connections.size()) {
    std::swap(connections[index], connections.back());
    connections[index]->index_ = index;
  }
  connections.pop_back();
  count.store(connections.size(), std::memory_order_relaxed);
}

// ---- life -------------------------------------------------------------------------------------

Connection::Connection(std::shared_ptr<ConnectionContext> context)
    : context_(std::move(context)),
      socket_(context_->io),
      limit_(context_->ticker, &Connection::expired, this),
      parser_(Parser::Kind::kRequest, context_->limits) {}

void Connection::start(int fd, bool refuse) {
  if (!socket_.adopt(fd)) return;
  const auto& tls = context_->options.tls;
  if (tls && !socket_.start_tls(*tls)) return socket_.close();
  context_->add(shared_from_this());
  if (refuse) return fail(503);
  // Whoever has not yet shown that it speaks TLS gets no more time than for a header.
  greeting_ = tls != nullptr;
  limit_.set_after(greeting_ ? context_->options.header_timeout : context_->options.idle_timeout);
  arm_read();
}

void Connection::drain() {
  if (state_ != State::kIdle) return;
  // What has come already was sent before the client could know.
  const std::shared_ptr<Connection> self = shared_from_this();
  read_more();
  if (state_ == State::kIdle) close();
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  const bool views_are_in_use = state_ == State::kHandling;
  state_ = State::kClosed;
  limit_.clear();
  socket_.close();
  pending_head_ = std::string();
  pending_body_ = std::string();
  if (!views_are_in_use) {
    buffer_.release();
    account();
  }
  const std::shared_ptr<Connection> self = shared_from_this();
  context_->remove(*this);
}

void Connection::expired(void* self) {
  const std::shared_ptr<Connection> connection = static_cast<Connection*>(self)->shared_from_this();
  switch (connection->state_) {
    case State::kHead:
    case State::kBody: return connection->fail(408);
    case State::kIdle:
    case State::kWriting:
    case State::kLingering: return connection->close();
    case State::kHandling:
    case State::kClosed: return;
  }
}

void Connection::account() {
  const std::size_t now = buffer_.capacity();
  if (now == accounted_) return;
  context_->buffered += now - accounted_;  // less, if that wraps around
  accounted_ = now;
}

void Connection::arm_read() {
  if (read_armed_ || input_ended_) return;
  read_armed_ = true;
  socket_.wait_readable(shared_from_this());
}

void Connection::arm_hangup() {
  if (hangup_armed_) return;
  hangup_armed_ = true;
  socket_.wait_hangup(shared_from_this());
}

// ---- reading ----------------------------------------------------------------------------------

void Connection::on_readable() {
  read_armed_ = false;
  switch (state_) {
    case State::kIdle:
    case State::kHead:
    case State::kBody: return read_more();
    case State::kHandling:
    case State::kWriting: return watch_peer();
    case State::kLingering: return discard();
    case State::kClosed: return;
  }
}

void Connection::read_more() {
  for (int i = 0; i < kReadsAtOnce && reading(); ++i) {
    if (context_->buffered - accounted_ + buffer_.next_capacity() >
        context_->options.max_buffered_bytes) {
      return fail(503);
    }
    const std::span<char> room = buffer_.prepare();
    account();
    const IoResult result = socket_.receive(room);
    if (greeting_ && !socket_.in_handshake()) {
      greeting_ = false;
      limit_.set_after(context_->options.idle_timeout);
    }
    if (result.kind == IoResult::Kind::kWouldBlock) break;
    // An end within a request: nobody is left to answer to.
    if (result.kind != IoResult::Kind::kBytes) return close();
    buffer_.commit(result.bytes);
    process();
    if (result.bytes < room.size()) break;
  }
  settle();
}

void Connection::process() {
  processing_ = true;
  while (reading() && !buffer_.empty()) {
    std::size_t size = buffer_.size();
    const Parser::State parsed = parser_.parse(buffer_.data(), size);
    buffer_.resize(size);
    if (parsed == Parser::State::kDone) {
      dispatch();
      continue;
    }
    if (parsed == Parser::State::kError) {
      fail(parser_.status());
    } else if (parsed == Parser::State::kHead) {
      begin_head();
    } else {
      begin_body();
    }
    break;
  }
  processing_ = false;
}

// Waits for what the state needs next.
void Connection::settle() {
  if (reading()) {
    if (input_ended_) return close();
    if (state_ == State::kIdle) {
      buffer_.shrink();
      account();
    }
    arm_read();
  } else if (state_ == State::kHandling) {
    arm_read();
  }
}

void Connection::begin_head() {
  if (state_ != State::kIdle) return;
  state_ = State::kHead;
  limit_.set_after(context_->options.header_timeout);
}

void Connection::begin_body() {
  if (state_ == State::kBody) return;
  state_ = State::kBody;
  limit_.set_after(context_->options.body_timeout);
  if (parser_.expect() == Parser::Expect::kOther) return fail(417);
  if (parser_.expect() == Parser::Expect::kContinue && buffer_.size() == parser_.head_size()) {
    write("HTTP/1.1 100 Continue\r\n\r\n", std::string(), After::kRestOfBody);
  }
}

void Connection::dispatch() {
  if (parser_.expect() == Parser::Expect::kOther) return fail(417);
  limit_.clear();
  state_ = State::kHandling;
  request_ = parser_.request(buffer_.data());
  context_->handler(request_, Responder(shared_from_this()));
}

void Connection::watch_peer() {
  switch (socket_.peek()) {
    case Socket::Peer::kQuiet: return arm_read();
    case Socket::Peer::kHasData: return arm_hangup();  // the next request: it waits in the kernel
    case Socket::Peer::kHalfClosed: input_ended_ = true; return arm_hangup();
    case Socket::Peer::kGone: return close();
  }
}

void Connection::on_hangup() {
  hangup_armed_ = false;
  if ((state_ == State::kHandling || state_ == State::kWriting) && socket_.hung_up()) close();
}

// ---- writing ----------------------------------------------------------------------------------

void Connection::reply(Response response) {
  if (state_ == State::kClosed) {
    buffer_.release();
    return account();
  }
  if (state_ != State::kHandling) return;
  const bool keep = parser_.keep_alive() && !context_->draining;
  respond(std::move(response), keep ? After::kNextRequest : After::kClose);
}

void Connection::abandon() {
  if (state_ == State::kHandling) return reply(context_->error_body(500, reason(500)));
  reply({});
}

void Connection::fail(int status) {
  limit_.clear();
  respond(context_->error_body(status, reason(status)), After::kLinger);
}

void Connection::respond(Response response, After after) {
  const ResponseFraming framing{parser_.http_1_0(), after == After::kNextRequest,
                                parser_.is_head()};
  context_->head.clear();
  append_head(context_->head, response, framing);
  if (!sends_body(response, framing)) response.body.clear();
  if (response.body.size() <= kJoined) {
    context_->head.append(response.body);
    response.body.clear();
  }
  write(context_->head, std::move(response.body), after);
}

void Connection::write(std::string_view head, std::string body, After after) {
  state_ = State::kWriting;
  after_ = after;
  const IoResult result = socket_.send(head, body);
  if (result.kind == IoResult::Kind::kFailed) return close();
  if (result.bytes == head.size() + body.size()) return written();
  pending_head_ = head;
  pending_body_ = std::move(body);
  pending_sent_ = result.bytes;
  progress_ = 0;
  limit_.set_after(context_->options.write_timeout);
  socket_.wait_writable(shared_from_this());
}

void Connection::on_writable() {
  if (state_ != State::kWriting) return;
  const std::size_t total = pending_head_.size() + pending_body_.size();
  while (pending_sent_ < total) {
    const std::string_view head =
        std::string_view(pending_head_).substr(std::min(pending_sent_, pending_head_.size()));
    const std::string_view body = std::string_view(pending_body_)
                                      .substr(pending_sent_ - (pending_head_.size() - head.size()));
    const IoResult result = head.empty() ? socket_.send(body, {}) : socket_.send(head, body);
    if (result.kind == IoResult::Kind::kFailed) return close();
    if (result.kind == IoResult::Kind::kWouldBlock)
      return socket_.wait_writable(shared_from_this());
    pending_sent_ += result.bytes;
    progress_ += result.bytes;
    if (progress_ >= kProgress) {
      progress_ = 0;
      limit_.set_after(context_->options.write_timeout);
    }
  }
  pending_head_ = std::string();
  pending_body_ = std::string();
  written();
}

void Connection::written() {
  switch (after_) {
    case After::kNextRequest: return next_request();
    case After::kLinger: return linger();
    case After::kClose:
      if (buffer_.size() > parser_.message_size() || socket_.peek() == Socket::Peer::kHasData) {
        return linger();
      }
      return close();
    case After::kRestOfBody:
      state_ = State::kBody;
      limit_.set_after(context_->options.body_timeout);
      if (!processing_) settle();
      return;
  }
}

void Connection::next_request() {
  request_ = Request();
  buffer_.consume(parser_.message_size());
  parser_.reset();
  state_ = State::kIdle;
  limit_.set_after(context_->options.idle_timeout);
  if (processing_) return;  // the loop goes on with what is buffered
  const std::shared_ptr<Connection> self = shared_from_this();
  process();
  settle();
}

void Connection::linger() {
  state_ = State::kLingering;
  buffer_.release();
  account();
  if (input_ended_) return close();
  socket_.shutdown_send();
  limit_.set_after(kLinger);
  arm_read();
}

void Connection::discard() {
  std::array<char, kDiscardAtOnce> scratch;
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const IoResult result = socket_.receive(scratch);
    if (result.kind == IoResult::Kind::kWouldBlock) break;
    if (result.kind != IoResult::Kind::kBytes) return close();
  }
  arm_read();
}

}  // namespace berth::http
