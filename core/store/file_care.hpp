// SPDX-License-Identifier: Apache-2.0
// What an operator has done to a store's file while it is in use: a copy of it, and a search for
// damage. Both read one consistent state and hold no writer up; both block, for as long as the file
// is big. Private to core/store.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace berth::store {

class Connection;

// Ends what is under way when berthd stops: a copy of a big file takes longer than a stop may.
class CareStop {
 public:
  // What runs on `connection` ends early, as UNAVAILABLE, and what comes later at once. From any
  // thread.
  void stop();

  // While one of the functions below uses a connection.
  class Scope {
   public:
    Scope(CareStop& stop, Connection& connection);
    ~Scope();
    bool stopped() const { return stop_.stopped_; }

   private:
    CareStop& stop_;
  };

 private:
  std::mutex mutex_;
  Connection* running_ = nullptr;
  std::atomic<bool> stopped_{false};
};

// Writes the state of `from` into the new file `to` (0600), whole and on disk when it returns, or
// not there at all. `to` must be absolute and must not exist. What waits in the work queue is in
// the copy as started: whoever restores it has it recorded as interrupted. The result is its size
// in bytes.
Result<std::uint64_t> back_up(const std::filesystem::path& from, const std::filesystem::path& to,
                              CareStop& stop);

// What is wrong with the file, in words; empty: nothing. An error if it is no store or cannot be
// read.
Result<std::vector<std::string>> find_damage(const std::filesystem::path& path, CareStop& stop);

}  // namespace berth::store
