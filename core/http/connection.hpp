// SPDX-License-Identifier: Apache-2.0
// One connection of the server: reads a request, hands it to the handler, writes the reply, reads
// the next. Private to core/http. Not thread-safe.
//
//   idle -> head -> body -> handling -> writing -> idle | lingering -> closed
//
// While a request is handled the connection reads nothing, but notices if the peer hangs up. An
// ended input alone is no hang-up: a client may close its side and wait for the reply. After an
// error the connection lingers: it sends its end and discards what still comes, for a close with
// unread input would make the kernel throw away the reply the peer has not read yet.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "http/buffer.hpp"
#include "http/parser.hpp"
#include "http/server.hpp"
#include "http/socket.hpp"
#include "http/ticker.hpp"

namespace berth::http {

struct Responder::Target {
  virtual ~Target() = default;
  virtual void reply(Response response) = 0;
  virtual void abandon() = 0;
};

class Connection;

// What the connections of one server share; outlives the Server while requests are being handled.
struct ConnectionContext {
  ConnectionContext(boost::asio::io_context& io_context, ServerOptions server_options,
                    Server::Handler request_handler, Server::ErrorBody make_error_body);

  void add(std::shared_ptr<Connection> connection);
  void remove(const Connection& connection);

  boost::asio::io_context& io;
  Ticker& ticker;
  ServerOptions options;
  ParserLimits limits;
  Server::Handler handler;
  Server::ErrorBody error_body;
  bool draining = false;
  std::atomic<std::size_t>& buffered;  // capacities of all receive buffers
  std::vector<std::shared_ptr<Connection>> connections;
  std::atomic<std::size_t> count{0};  // of `connections`, for other threads
  std::string head;  // of the response being written, and its body if that is short
};

class Connection final : public SocketOwner,
                         public Responder::Target,
                         public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(std::shared_ptr<ConnectionContext> context);

  // Takes the descriptor over. With `refuse` the connection is only told that there are too many.
  void start(int fd, bool refuse);
  // Closes if idle; else the next reply is the last.
  void drain();
  void close();

  void on_readable() override;
  void on_writable() override;
  void on_hangup() override;
  void reply(Response response) override;
  void abandon() override;

 private:
  friend struct ConnectionContext;
  enum class State { kIdle, kHead, kBody, kHandling, kWriting, kLingering, kClosed };
  // What follows the message being written.
  enum class After { kNextRequest, kClose, kLinger, kRestOfBody };

  bool reading() const {
    return state_ == State::kIdle || state_ == State::kHead || state_ == State::kBody;
  }
  void read_more();
  void process();
  void settle();
  void begin_head();
  void begin_body();
  void dispatch();
  void fail(int status);
  void respond(Response response, After after);
  void write(std::string_view head, std::string body, After after);
  void written();
  void next_request();
  void linger();
  void discard();
  void watch_peer();
  void arm_read();
  void arm_hangup();
  void account();
  static void expired(void* self);

  std::shared_ptr<ConnectionContext> context_;
  Socket socket_;
  Ticker::Limit limit_;
  Parser parser_;
  Buffer buffer_;
  Request request_;
  State state_ = State::kIdle;
  After after_ = After::kNextRequest;
  bool processing_ = false;  // a reply now is taken up by the loop in process()
  bool read_armed_ = false;
  bool hangup_armed_ = false;
  bool input_ended_ = false;
  bool greeting_ = false;      // the handshake of TLS is not done
  std::size_t accounted_ = 0;  // of context_->buffered
  std::size_t index_ = 0;      // in context_->connections
  std::string pending_head_;   // of a write that would block
  std::string pending_body_;
  std::size_t pending_sent_ = 0;
  std::size_t progress_ = 0;  // since the write limit was last set
};

}  // namespace berth::http
