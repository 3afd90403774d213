// SPDX-License-Identifier: Apache-2.0
// SandboxerClient: one connection to berth-sandboxer. Requests are sent from the calling thread, at
// once if the socket takes them; replies and events arrive on the loop's thread.
//
// A handler `void(sdk::Status, Reader&)` is called exactly once per request, on the loop's thread;
// the reader stands at the result if the status is OK. When the connection ends, every open request
// gets UNAVAILABLE and then `on_closed` is called, once.
//
// call and cancel are [any-thread]; open and close belong to the loop's thread.
#pragma once

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "berth/sdk/status.hpp"
#include "protocol/packet_socket.hpp"
#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

class SandboxerClient : public std::enable_shared_from_this<SandboxerClient> {
 public:
  using OnDied = std::function<void(const Died&)>;
  using OnClosed = std::function<void()>;

  explicit SandboxerClient(boost::asio::io_context& context);
  ~SandboxerClient();

  // Connects to the socket. NOT_FOUND if nobody listens there; PERMISSION_DENIED if whoever does is
  // another user's.
  sdk::Status open(const std::string& path, OnDied on_died, OnClosed on_closed);
  // Ends the connection without calling `on_closed`.
  void close();

  // Sends a request and returns its id. `fd` is copied by the kernel and stays the caller's.
  template <typename Message, typename Handler>
  uint64_t call(MessageType type, const Message& message, Handler handler, int fd = -1) {
    const uint64_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
    send(id, packet(type, id, message), fd, std::make_unique<Holder<Handler>>(std::move(handler)));
    return id;
  }
  template <typename Handler>
  uint64_t call(MessageType type, Handler handler) {
    const uint64_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
    send(id, packet(type, id), -1, std::make_unique<Holder<Handler>>(std::move(handler)));
    return id;
  }
  // Asks that a waiting request be answered now.
  void cancel(uint64_t id);

 private:
  // Like std::function, but for handlers that own a Promise and cannot be copied.
  struct Pending {
    virtual ~Pending() = default;
    virtual void run(sdk::Status status, Reader& reader) = 0;
  };
  template <typename F>
  struct Holder final : Pending {
    explicit Holder(F f) : function(std::move(f)) {}
    void run(sdk::Status status, Reader& reader) override { function(std::move(status), reader); }
    F function;
  };
  struct Queued {
    std::string bytes;
    UniqueFd fd;
  };

  void send(uint64_t id, std::string bytes, int fd, std::unique_ptr<Pending> pending);
  void wait_readable();
  void wait_writable();
  void read();
  void handle(std::string_view bytes);
  void fail_all();

  boost::asio::posix::stream_descriptor stream_;
  std::string buffer_;
  OnDied on_died_;
  OnClosed on_closed_;
  std::atomic<uint64_t> next_id_{1};

  std::mutex mutex_;  // guards what follows
  int socket_ = -1;   // owned by stream_
  std::unordered_map<uint64_t, std::unique_ptr<Pending>> pending_;
  std::deque<Queued> outbox_;
};

}  // namespace berth::process
