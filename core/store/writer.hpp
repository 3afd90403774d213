// SPDX-License-Identifier: Apache-2.0
// The one thread that writes. It takes everything that waits, runs it in one transaction, and
// answers all of it when the transaction is on disk: many writers share one sync of the disk.
//
// Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "store/sqlite_connection.hpp"
#include "store/task.hpp"

namespace berth::store {

// One write. Both functions are called on the writer's thread, but for a refusal.
class WriteJob {
 public:
  virtual ~WriteJob() = default;
  // Changes the database. May be called again after the transaction was rolled back: it must start
  // over. Checks come first: a job that refuses by a rule of its own has changed nothing.
  virtual Status run(Connection& connection) = 0;
  // Called once: OK after the commit, or why nothing of it is kept.
  virtual void finish(const Status& status) = 0;
  // Roughly the memory it holds.
  virtual std::size_t bytes() const { return 256; }
  // True: nobody waits for the answer, so a write that failed for lack of room is tried again for
  // as long as the queue has room, instead of being given up.
  virtual bool persistent() const { return false; }
  // True: it belongs to something that was accepted earlier. The queue's bounds are not for it: to
  // refuse it would break a promise, and what it belongs to is bounded.
  virtual bool promised() const { return false; }
  // Of a persistent one: it is lost when the store closes before there was room for it. False:
  // what it stood for is still in the file.
  virtual bool is_record() const { return true; }
};

class Writer {
 public:
  struct Options {
    std::size_t max_jobs;
    std::size_t max_bytes;
    std::chrono::milliseconds linger;
    std::chrono::milliseconds retry_after{500};
  };

  Writer(std::unique_ptr<Connection> connection, Options options, Metrics& metrics);
  ~Writer();

  // Takes the job; refused ones are left with the caller: RESOURCE_EXHAUSTED (queue full),
  // UNAVAILABLE (closed). Promised ones are refused only when closed. Without `soon` the job may
  // wait `linger` for company.
  Status submit(std::unique_ptr<WriteJob>& job, bool soon = true);
  // The same; a refused job is finished with the refusal, on this thread.
  void submit_or_refuse(std::unique_ptr<WriteJob> job, bool soon = true);
  // Runs `then` when everything submitted before was tried; at once, on this thread, if nothing
  // waits.
  void after_pending(Task<void()> then);
  // Why persistent jobs wait in memory for room, or OK if none do.
  Status stalled();
  // Writes what waits, then checkpoints and closes the file; submit refuses from now on. Returns
  // what the persistent jobs that had to be given up ended with.
  Status close();

 private:
  using Batch = std::vector<std::unique_ptr<WriteJob>>;

  void work();
  bool wait_for_batch(std::unique_lock<std::mutex>& lock);
  void write(Batch batch);
  Status try_batch(const Batch& batch, std::vector<Status>& outcomes);
  void conclude(std::unique_ptr<WriteJob> job, const Status& status);
  void report_recovery();
  bool is_closing();

  const std::unique_ptr<Connection> connection_;
  const Options options_;
  Histogram& commit_seconds_;
  Histogram& batch_jobs_;
  Gauge& queued_;
  Counter& given_up_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<WriteJob>> queue_;
  std::deque<std::unique_ptr<WriteJob>> stalled_;  // persistent jobs that found no room
  std::size_t queued_bytes_ = 0;                   // of queue_ and stalled_
  bool urgent_ = false;
  bool busy_ = false;
  bool closing_ = false;
  bool reported_stall_ = false;
  std::chrono::steady_clock::time_point oldest_{};  // when the first job of queue_ came
  std::chrono::steady_clock::time_point retry_at_{};
  Status stall_status_;
  Status given_up_status_;
  std::thread thread_;
};

}  // namespace berth::store
