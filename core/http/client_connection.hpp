// SPDX-License-Identifier: Apache-2.0
// One connection of a Client and the exchange on it. Private to core/http. Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/address.hpp"
#include "http/buffer.hpp"
#include "http/client.hpp"
#include "http/parser.hpp"
#include "http/socket.hpp"
#include "http/ticker.hpp"

namespace berth::http {

// One post() on its way. It moves to another connection as long as nothing of it was sent.
struct PendingExchange {
  std::string head;  // and the body, if that is short
  std::string body;
  SteadyTime deadline;
  std::size_t max_body_bytes = 0;
  Client::Handler handler;
};

class ClientConnection;

// What a connection tells its Client; each call is the connection's last touch of its own state.
class ClientConnectionOwner {
 public:
  virtual ~ClientConnectionOwner() = default;
  // The exchange is over; `reusable` means that the connection is idle now, else it is closed.
  virtual void finished(const std::shared_ptr<ClientConnection>& connection,
                        Client::Handler handler, ClientResponse response, bool reusable) = 0;
};

class ClientConnection final : public SocketOwner,
                               public std::enable_shared_from_this<ClientConnection> {
 public:
  // `owner` must outlive the connection or call abort() first.
  ClientConnection(boost::asio::io_context& io, ClientConnectionOwner& owner);

  // Connects to the first of `addresses` that answers, then sends.
  void connect(std::unique_ptr<PendingExchange> exchange, std::vector<SocketAddress> addresses);
  // On an idle connection. Gives the exchange back, closed, if not one byte could be sent.
  std::unique_ptr<PendingExchange> send_on_idle(std::unique_ptr<PendingExchange> exchange);
  // Idle and neither closed by the peer nor holding bytes nobody asked for.
  bool is_fresh();
  // Whether the exchange that is going on could still go elsewhere.
  bool nothing_sent() const { return sent_ == 0; }
  // Closes without calling the owner; gives back the handler of the exchange that was going on.
  Client::Handler abort();

  std::size_t index = 0;  // the owner's, to find it in its list

  void on_readable() override;
  void on_writable() override;

 private:
  enum class State { kIdle, kConnecting, kRetrying, kExchanging, kClosed };

  void try_connect();
  void connected();
  void connect_failed(int error);
  int send_some();
  void receive_some();
  bool take_received();
  void complete();
  void end(Exchange how, std::string error);
  void close();
  void limit_exchange();
  static void expired(void* self);

  ClientConnectionOwner* owner_;
  Socket socket_;
  Ticker::Limit limit_;
  Parser parser_;
  Buffer buffer_;
  State state_ = State::kIdle;
  std::unique_ptr<PendingExchange> exchange_;
  std::size_t sent_ = 0;
  bool send_failed_ = false;
  bool send_waits_ = false;
  int interim_responses_ = 0;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
};

}  // namespace berth::http
