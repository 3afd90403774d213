// SPDX-License-Identifier: Apache-2.0
#include "server.hpp"

#include <cerrno>
#include <cstdio>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/packet_socket.hpp"

namespace berth::process {
namespace {

// A client that lets this many replies pile up has stopped reading.
constexpr size_t kMaxOutbox = 4096;
constexpr int kPacketsPerTurn = 32;
// Rounds of 5 ms that the end waits for the last cgroups to be removed.
constexpr int kWindDownRounds = 400;

}  // namespace

Server::Server(Loop& loop, Sandboxes& sandboxes, UniqueFd listener, std::string boot_id,
               std::function<void()> unlink_socket)
    : loop_(loop),
      sandboxes_(sandboxes),
      listener_(std::move(listener)),
      boot_id_(std::move(boot_id)),
      unlink_socket_(std::move(unlink_socket)) {}

Server::~Server() = default;

void Server::start(uint64_t idle_ms) {
  loop_.watch(listener_.get(), EPOLLIN, [this](uint32_t) { on_accept(); });
  loop_.after_ms(idle_ms, [this] { end_if_unused(); });
}

void Server::on_accept() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return;
  if (peer_uid(socket.get()) != static_cast<int64_t>(::geteuid())) {
    std::fprintf(stderr, "refused a client of another user\n");
    return;
  }
  const Owner owner = next_owner_++;
  auto client = std::make_unique<Client>();
  client->owner = owner;
  client->socket = std::move(socket);
  loop_.watch(client->socket.get(), EPOLLIN,
              [this, owner](uint32_t events) { on_client(owner, events); });
  clients_.emplace(owner, std::move(client));
  sandboxes_.attach(owner);
}

void Server::on_client(Owner owner, uint32_t events) {
  const auto it = clients_.find(owner);
  if (it == clients_.end()) return;
  if ((events & EPOLLOUT) != 0) flush(*it->second);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  std::string packet;
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    // A handler may have dropped the client.
    const auto again = clients_.find(owner);
    if (again == clients_.end()) return;
    std::vector<UniqueFd> fds;
    const Received received = receive_packet(again->second->socket.get(), packet, fds);
    if (received == Received::kNothing) return;
    if (received != Received::kPacket || !handle(*again->second, packet, fds)) {
      drop(owner);
      return;
    }
  }
}

bool Server::handle(Client& client, std::string_view packet, std::vector<UniqueFd>& fds) {
  Reader reader(packet);
  Header header;
  if (!decode_header(reader, header) || header.id == 0) return false;
  if (header.type == MessageType::kHello) {
    Hello hello;
    if (!decode(reader, hello) || hello.magic != kProtocolMagic) return false;
    // Told our version even if it is not the client's, so that it can say what to do.
    send(client.owner, reply(header.id, HelloReply{kProtocolVersion,
                                                   static_cast<uint32_t>(::getpid()), boot_id_}));
    client.greeted = hello.version == kProtocolVersion;
    return true;
  }
  if (header.type == MessageType::kShutdown) {
    Shutdown message;
    if (!decode(reader, message)) return false;
    if (!message.kill && !sandboxes_.empty()) {
      send(client.owner, reply(header.id, sdk::failed_precondition("there are sandboxes")));
      return true;
    }
    const Owner owner = client.owner;
    sandboxes_.destroy_all([this, owner, id = header.id](sdk::Status status) {
      send(owner, reply(id, status));
      shut_down();
    });
    return true;
  }
  if (!client.greeted) {
    send(client.owner,
         reply(header.id,
               sdk::failed_precondition("protocol version " + std::to_string(kProtocolVersion) +
                                        " is spoken here and the client did not greet with it")));
    return true;
  }
  dispatch(client, header, reader, fds);
  return true;
}

void Server::dispatch(Client& client, const Header& header, Reader& reader,
                      std::vector<UniqueFd>& fds) {
  const Owner owner = client.owner;
  const uint64_t id = header.id;
  const auto malformed = [&] {
    send(owner,
         reply(id, sdk::invalid_argument("malformed message of type " +
                                         std::to_string(static_cast<uint32_t>(header.type)))));
  };
  const auto done = [this, owner, id](sdk::Status status) { send(owner, reply(id, status)); };

  switch (header.type) {
    case MessageType::kConfigure: {
      Settings settings;
      if (!decode(reader, settings)) return malformed();
      const sdk::Status status = sandboxes_.configure(settings);
      if (!status.ok()) return done(status);
      // What a sandbox needs and this host refuses is told now, not to the first function's caller.
      return sandboxes_.pool().check([this, owner, id](const sdk::Status& works) {
        send(owner, works.ok() ? reply(id, sandboxes_.stats().enforcement) : reply(id, works));
      });
    }
    case MessageType::kCreate: {
      CreateRequest request;
      if (!decode(reader, request) || fds.size() != 1) return malformed();
      return sandboxes_.create(owner, std::move(request), std::move(fds[0]),
                               [this, owner, id](sdk::Status status, CreateReply created) {
                                 send(owner, status.ok() ? reply(id, created) : reply(id, status));
                               });
    }
    case MessageType::kDestroy:
    case MessageType::kPause:
    case MessageType::kResume: {
      SandboxRequest request;
      if (!decode(reader, request)) return malformed();
      if (header.type == MessageType::kDestroy) return sandboxes_.destroy(request.id, done);
      if (header.type == MessageType::kPause) return sandboxes_.pause(request.id, done);
      return sandboxes_.resume(request.id, done);
    }
    case MessageType::kResize: {
      ResizeRequest request;
      if (!decode(reader, request)) return malformed();
      return done(sandboxes_.resize(request));
    }
    case MessageType::kUsage: {
      SandboxRequest request;
      if (!decode(reader, request)) return malformed();
      UsageReply usage;
      const sdk::Status status = sandboxes_.usage(request.id, usage);
      return status.ok() ? send(owner, reply(id, usage)) : done(status);
    }
    case MessageType::kList: {
      ListRequest request;
      if (!decode(reader, request)) return malformed();
      return send(owner, reply(id, sandboxes_.list(owner, request)));
    }
    case MessageType::kReadLogs: {
      ReadLogsRequest request;
      if (!decode(reader, request)) return malformed();
      return sandboxes_.read_logs(owner, id, request,
                                  [this, owner, id](sdk::Status status, ReadLogsReply read) {
                                    send(owner, status.ok() ? reply(id, read) : reply(id, status));
                                  });
    }
    case MessageType::kCancel: {
      CancelRequest request;
      if (!decode(reader, request)) return malformed();
      sandboxes_.cancel_read(owner, request.target);
      return done({});
    }
    case MessageType::kStats: return send(owner, reply(id, sandboxes_.stats()));
    default:
      return done(sdk::unimplemented("unknown message type " +
                                     std::to_string(static_cast<uint32_t>(header.type))));
  }
}

void Server::send(Owner owner, std::string packet) {
  const auto it = clients_.find(owner);
  if (it == clients_.end()) return;
  Client& client = *it->second;
  if (client.outbox.empty()) {
    const int error = send_packet(client.socket.get(), packet);
    if (error == 0) return;
    // The end of the connection is noticed by its reader.
    if (error != EAGAIN) return;
    loop_.change(client.socket.get(), EPOLLIN | EPOLLOUT);
  }
  client.outbox.push_back(std::move(packet));
  if (client.outbox.size() > kMaxOutbox) {
    std::fprintf(stderr, "dropped a client that does not read\n");
    // Not at once: a caller may hold the client.
    loop_.after_ms(0, [this, owner] { drop(owner); });
  }
}

void Server::flush(Client& client) {
  while (!client.outbox.empty()) {
    const int error = send_packet(client.socket.get(), client.outbox.front());
    if (error == EAGAIN) return;
    client.outbox.pop_front();
  }
  loop_.change(client.socket.get(), EPOLLIN);
}

void Server::drop(Owner owner) {
  const auto it = clients_.find(owner);
  if (it == clients_.end()) return;
  // Who only looked whether somebody is here has not used us.
  const bool greeted = it->second->greeted;
  loop_.unwatch(it->second->socket.get());
  clients_.erase(it);
  sandboxes_.release(owner);
  if (greeted) end_if_unused();
}

void Server::end_if_unused() {
  if (ending_ || !clients_.empty()) return;
  if (!sandboxes_.empty()) {
    // Ends when the last orphan is gone.
    loop_.after_ms(100, [this] { end_if_unused(); });
    return;
  }
  shut_down();
}

void Server::shut_down() {
  if (ending_) return;
  ending_ = true;
  // Nobody may find us any more; who needs a sandboxer starts the next one, which waits for our
  // lock.
  unlink_socket_();
  loop_.unwatch(listener_.get());
  listener_.reset();
  sandboxes_.destroy_all([this](sdk::Status) {
    sandboxes_.pool().shut_down();
    wind_down(kWindDownRounds);
  });
}

void Server::wind_down(int rounds) {
  if (rounds == 0 || sandboxes_.pool().removing() == 0) {
    loop_.stop();
    return;
  }
  loop_.after_ms(5, [this, rounds] { wind_down(rounds - 1); });
}

}  // namespace berth::process
