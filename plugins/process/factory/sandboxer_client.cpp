// SPDX-License-Identifier: Apache-2.0
#include "factory/sandboxer_client.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace berth::process {
namespace {

constexpr int kPacketsPerTurn = 64;

sdk::Status lost() {
  return sdk::unavailable("the connection to berth-sandboxer is lost");
}

}  // namespace

SandboxerClient::SandboxerClient(boost::asio::io_context& context) : stream_(context) {}

SandboxerClient::~SandboxerClient() = default;

sdk::Status SandboxerClient::open(const std::string& path, OnDied on_died, OnClosed on_closed) {
  sockaddr_un address;
  socklen_t length;
  if (!unix_address(path, address, length)) {
    return sdk::failed_precondition("the socket path " + path + " is longer than " +
                                    std::to_string(kMaxSocketPath) +
                                    " bytes: choose a shorter runtime directory");
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return from_errno("cannot create a socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno == ECONNREFUSED || errno == ENOENT) return sdk::not_found("no berth-sandboxer there");
    return from_errno("cannot connect to " + path, errno);
  }
  if (peer_uid(fd.get()) != static_cast<int64_t>(::geteuid())) {
    return sdk::permission_denied("whoever listens at " + path + " is not of our user: remove it");
  }
  on_died_ = std::move(on_died);
  on_closed_ = std::move(on_closed);
  const std::lock_guard lock(mutex_);
  socket_ = fd.get();
  stream_.assign(fd.release());
  wait_readable();
  return {};
}

void SandboxerClient::close() {
  on_closed_ = nullptr;
  on_died_ = nullptr;
  fail_all();
}

void SandboxerClient::fail_all() {
  std::unordered_map<uint64_t, std::unique_ptr<Pending>> pending;
  {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) {
      boost::system::error_code ignored;
      stream_.close(ignored);
      socket_ = -1;
    }
    pending.swap(pending_);
    outbox_.clear();
  }
  Reader nothing({});
  for (auto& [id, handler] : pending) handler->run(lost(), nothing);
}

void SandboxerClient::send(uint64_t id, std::string bytes, int fd,
                           std::unique_ptr<Pending> pending) {
  sdk::Status failed;
  {
    const std::lock_guard lock(mutex_);
    if (socket_ < 0) {
      failed = lost();
    } else if (bytes.size() > kMaxPacket) {
      failed = sdk::invalid_argument("the request is longer than " + std::to_string(kMaxPacket) +
                                     " bytes (its environment and labels)");
    } else if (outbox_.empty()) {
      const int error = send_packet(socket_, bytes, fd);
      if (error == 0 || error == EPIPE || error == ECONNRESET) {
        // A broken connection is noticed by the reader, who fails it with the others.
        pending_.emplace(id, std::move(pending));
        return;
      }
      if (error != EAGAIN) failed = from_errno("cannot send to berth-sandboxer", error);
    }
    if (failed.ok()) {
      pending_.emplace(id, std::move(pending));
      const bool first = outbox_.empty();
      outbox_.push_back(
          {std::move(bytes), UniqueFd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0))});
      if (first) {
        boost::asio::post(stream_.get_executor(),
                          [self = shared_from_this()] { self->wait_writable(); });
      }
      return;
    }
  }
  // Handlers run on the loop's thread only.
  boost::asio::post(stream_.get_executor(),
                    [pending = std::move(pending), failed = std::move(failed)]() mutable {
                      Reader nothing({});
                      pending->run(std::move(failed), nothing);
                    });
}

void SandboxerClient::cancel(uint64_t id) {
  call(MessageType::kCancel, CancelRequest{id}, [](const sdk::Status&, Reader&) {});
}

void SandboxerClient::wait_readable() {
  stream_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error) self->read();
                     });
}

void SandboxerClient::wait_writable() {
  stream_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error) return;
                       const std::lock_guard lock(self->mutex_);
                       while (!self->outbox_.empty()) {
                         const Queued& next = self->outbox_.front();
                         const int failed = send_packet(self->socket_, next.bytes, next.fd.get());
                         if (failed == EAGAIN) return self->wait_writable();
                         self->outbox_.pop_front();
                       }
                     });
}

void SandboxerClient::read() {
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    // Only this thread closes the socket, so reading it needs no lock.
    if (socket_ < 0) return;
    std::vector<UniqueFd> fds;
    const Received received = receive_packet(socket_, buffer_, fds);
    if (received == Received::kNothing) break;
    if (received != Received::kPacket) {
      fail_all();
      if (const OnClosed closed = std::move(on_closed_)) closed();
      return;
    }
    handle(buffer_);
  }
  if (socket_ >= 0) wait_readable();
}

void SandboxerClient::handle(std::string_view bytes) {
  Reader reader(bytes);
  Header header;
  if (!decode_header(reader, header)) return;
  if (header.type == MessageType::kDied) {
    Died died;
    if (decode(reader, died) && on_died_) on_died_(died);
    return;
  }
  sdk::Status status;
  if (header.type != MessageType::kReply || !decode_status(reader, status)) return;
  std::unique_ptr<Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    const auto it = pending_.find(header.id);
    if (it == pending_.end()) return;
    pending = std::move(it->second);
    pending_.erase(it);
  }
  pending->run(std::move(status), reader);
}

}  // namespace berth::process
