// SPDX-License-Identifier: Apache-2.0
// A Docker engine that does nothing and answers at once: what a start on it takes is what the
// plugin, its host and the connections take. Every function is one that answers any request with
// an empty 200. Throws std::runtime_error.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"

namespace berth::bench {

class InstantEngine {
 public:
  // Serves at the unix socket `path` until it goes.
  explicit InstantEngine(const std::string& path);
  ~InstantEngine();
  InstantEngine(const InstantEngine&) = delete;
  InstantEngine& operator=(const InstantEngine&) = delete;

 private:
  void accept_all(int listener, bool engine);
  void serve(int fd, bool engine);
  std::string answer(std::string_view method, std::string_view target);

  UniqueFd api_;
  std::string function_ip_;  // before functions_, whose making writes it
  UniqueFd functions_;
  std::atomic<std::uint64_t> containers_{0};
  std::mutex mutex_;
  std::list<int> connections_;      // open ones; guarded by mutex_
  std::list<std::thread> threads_;  // guarded by mutex_
  std::thread accepts_api_, accepts_functions_;
};

}  // namespace berth::bench
