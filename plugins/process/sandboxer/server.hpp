// SPDX-License-Identifier: Apache-2.0
// Server: the socket side of berth-sandboxer. Accepts clients of the same user, greets them, turns
// packets into calls of Sandboxes and answers back; ends the loop once there is neither a client
// nor a sandbox. Several clients may be connected at a time (a plugin and its successor).
//
// Runs on the loop's thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "loop.hpp"
#include "protocol/protocol.hpp"
#include "sandboxes.hpp"

namespace berth::process {

class Server {
 public:
  // `listener` is a listening SOCK_SEQPACKET socket. `unlink_socket` removes its path.
  Server(Loop& loop, Sandboxes& sandboxes, UniqueFd listener, std::string boot_id,
         std::function<void()> unlink_socket);
  ~Server();

  // Starts accepting. With nobody there after `idle_ms` it ends again.
  void start(uint64_t idle_ms);
  // Destroys everything and ends the loop.
  void shut_down();
  // Tells a client that its sandbox ended.
  void died(Owner owner, const Died& died) { send(owner, packet(MessageType::kDied, 0, died)); }

 private:
  struct Client {
    Owner owner = kNobody;
    UniqueFd socket;
    bool greeted = false;
    std::deque<std::string> outbox;
  };

  void on_accept();
  void on_client(Owner owner, uint32_t events);
  bool handle(Client& client, std::string_view packet, std::vector<UniqueFd>& fds);
  void dispatch(Client& client, const Header& header, Reader& reader, std::vector<UniqueFd>& fds);
  void send(Owner owner, std::string packet);
  void flush(Client& client);
  void drop(Owner owner);
  void end_if_unused();
  void wind_down(int rounds);

  Loop& loop_;
  Sandboxes& sandboxes_;
  UniqueFd listener_;
  const std::string boot_id_;
  const std::function<void()> unlink_socket_;
  Owner next_owner_ = 1;
  std::unordered_map<Owner, std::unique_ptr<Client>> clients_;
  bool ending_ = false;
};

}  // namespace berth::process
