// SPDX-License-Identifier: Apache-2.0
// ListenSockets: the unix sockets on which functions are reached, bound and listening before their
// function starts, so that the first connect never has to be repeated. A few are made ahead.
//
// [any-thread]
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "berth/sdk/status.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

struct ListenSocket {
  UniqueFd fd;
  std::string path;
};

class ListenSockets {
 public:
  // Keeps up to `prepared` ready.
  ListenSockets() = default;
  ~ListenSockets();

  // Uses `directory` (made, with mode 0700, if missing). FAILED_PRECONDITION if its path is too
  // long for a socket or others can write to it.
  sdk::Status open(const std::string& directory, uint32_t prepared);
  // Removes the sockets that earlier lives left; call it when no sandbox can be using one.
  void remove_stale();

  sdk::Status take(ListenSocket& socket);
  // Makes ready sockets up to the wanted number.
  void refill();

 private:
  sdk::Status make(ListenSocket& socket);

  std::string directory_;
  std::string prefix_;  // tells this life's sockets from earlier ones'
  uint32_t prepared_ = 0;
  std::mutex mutex_;
  uint64_t next_ = 1;
  std::vector<ListenSocket> ready_;
};

// The directory to use when `directory` is too long for a socket's path: a private one of the
// same meaning below /run or /tmp, the same for every life of this instance.
std::string short_directory(const std::string& directory);

}  // namespace berth::process
