// SPDX-License-Identifier: Apache-2.0
#include "store/reader_pool.hpp"

#include <utility>

namespace berth::store {

ReaderPool::ReaderPool(std::vector<std::unique_ptr<Connection>> connections, std::size_t max_jobs)
    : connections_(std::move(connections)), max_jobs_(max_jobs) {
  for (const auto& connection : connections_) {
    threads_.emplace_back([this, &reader = *connection] { work(reader); });
  }
}

ReaderPool::~ReaderPool() {
  close();
}

void ReaderPool::submit(Job job) {
  Status refusal;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) {
      refusal = sdk::unavailable("the store is closed");
    } else if (queue_.size() >= max_jobs_) {
      refusal = sdk::resource_exhausted("too many reads wait: " + std::to_string(queue_.size()));
    } else {
      queue_.push_back(std::move(job));
    }
  }
  if (refusal.ok()) {
    wake_.notify_one();
  } else {
    job(std::move(refusal));
  }
}

void ReaderPool::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ReaderPool::work(Connection& connection) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job(&connection);
    lock.lock();
  }
}

}  // namespace berth::store
