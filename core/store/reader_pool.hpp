// SPDX-License-Identifier: Apache-2.0
// A few threads that read, each with a connection of its own, from one bounded queue. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "store/sqlite_connection.hpp"
#include "store/task.hpp"

namespace berth::store {

class ReaderPool {
 public:
  // Given a connection for the time of the call, or why there is none.
  using Job = Task<void(Result<Connection*>)>;

  ReaderPool(std::vector<std::unique_ptr<Connection>> connections, std::size_t max_jobs);
  ~ReaderPool();

  // Calls the job exactly once: on a reader's thread, or on this one if it is refused (UNAVAILABLE:
  // closed; RESOURCE_EXHAUSTED: the queue is full).
  void submit(Job job);
  // Runs what waits and ends.
  void close();

 private:
  void work(Connection& connection);

  const std::vector<std::unique_ptr<Connection>> connections_;
  const std::size_t max_jobs_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace berth::store
