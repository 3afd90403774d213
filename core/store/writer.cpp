// SPDX-License-Identifier: Apache-2.0
#include "store/writer.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.hpp"

namespace berth::store {
namespace {

// Enough to share a sync, few enough that the first of them does not wait long for the last.
constexpr std::size_t kMaxBatch = 2000;

using SteadyClock = std::chrono::steady_clock;

// A place in the queue: runs when everything before it was tried.
class Barrier : public WriteJob {
 public:
  explicit Barrier(Task<void()> then) : then_(std::move(then)) {}
  Status run(Connection&) override { return {}; }
  void finish(const Status&) override { then_(); }

 private:
  Task<void()> then_;
};

}  // namespace

Writer::Writer(std::unique_ptr<Connection> connection, Options options, Metrics& metrics)
    : connection_(std::move(connection)),
      options_(options),
      commit_seconds_(metrics.histogram("berth_store_commit_seconds",
                                        "Time to write one group of changes to disk")),
      batch_jobs_(metrics.histogram("berth_store_commit_changes", "Changes written in one group",
                                    {}, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048})),
      queued_(metrics.gauge("berth_store_queued_changes", "Changes that wait for the disk")),
      given_up_(metrics.counter("berth_store_lost_records_total",
                                "Records nobody waited for that could not be kept")),
      thread_([this] { work(); }) {}

Writer::~Writer() {
  (void)close();
}

Status Writer::submit(std::unique_ptr<WriteJob>& job, bool soon) {
  const std::size_t bytes = job->bytes();
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return sdk::unavailable("the store is closed");
    const std::size_t jobs = queue_.size() + stalled_.size();
    const bool full = jobs >= options_.max_jobs || queued_bytes_ + bytes > options_.max_bytes;
    if (full && !job->promised()) {
      return sdk::resource_exhausted(
          "too much waits to be written to the store: " + std::to_string(jobs) + " changes of " +
          std::to_string(queued_bytes_) + " bytes");
    }
    if (queue_.empty()) oldest_ = SteadyClock::now();
    queue_.push_back(std::move(job));
    queued_bytes_ += bytes;
    urgent_ |= soon;
    queued_.set(static_cast<double>(jobs + 1));
    // A lingering writer need not hear of the second and later ones.
    if (!urgent_ && queue_.size() > 1 && queue_.size() < kMaxBatch) return {};
  }
  wake_.notify_one();
  return {};
}

void Writer::submit_or_refuse(std::unique_ptr<WriteJob> job, bool soon) {
  const Status status = submit(job, soon);
  if (!status.ok()) job->finish(status);
}

void Writer::after_pending(Task<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!closing_ && (busy_ || !queue_.empty())) {
      queue_.push_back(std::make_unique<Barrier>(std::move(then)));
      queued_bytes_ += queue_.back()->bytes();
      urgent_ = true;
    }
  }
  if (then) {
    then();
  } else {
    wake_.notify_one();
  }
}

Status Writer::stalled() {
  const std::lock_guard lock(mutex_);
  return stalled_.empty() ? Status() : stall_status_;
}

Status Writer::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  return given_up_status_;
}

bool Writer::wait_for_batch(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (closing_) return !queue_.empty() || !stalled_.empty();
    const auto now = SteadyClock::now();
    if (!queue_.empty() &&
        (urgent_ || queue_.size() >= kMaxBatch || now >= oldest_ + options_.linger)) {
      return true;
    }
    if (!stalled_.empty() && now >= retry_at_) return true;
    if (!queue_.empty()) {
      wake_.wait_until(lock, oldest_ + options_.linger);
    } else if (!stalled_.empty()) {
      wake_.wait_until(lock, retry_at_);
    } else {
      wake_.wait(lock);
    }
  }
}

void Writer::work() {
  std::unique_lock lock(mutex_);
  while (wait_for_batch(lock)) {
    Batch batch;
    if (!stalled_.empty() && (closing_ || SteadyClock::now() >= retry_at_)) {
      while (!stalled_.empty() && batch.size() < kMaxBatch) {
        batch.push_back(std::move(stalled_.front()));
        stalled_.pop_front();
      }
    }
    while (!queue_.empty() && batch.size() < kMaxBatch) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    urgent_ = urgent_ && !queue_.empty();
    for (const auto& job : batch) queued_bytes_ -= std::min(queued_bytes_, job->bytes());
    queued_.set(static_cast<double>(queue_.size() + stalled_.size()));
    busy_ = true;
    lock.unlock();
    write(std::move(batch));
    lock.lock();
    busy_ = false;
  }
  lock.unlock();
  // Best effort: what the checkpoint leaves is in the WAL and read from there at the next start.
  (void)connection_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

Status Writer::try_batch(const Batch& batch, std::vector<Status>& outcomes) {
  outcomes.assign(batch.size(), Status());
  connection_->take_failure();
  Status status = connection_->begin();
  for (std::size_t i = 0; i < batch.size() && status.ok(); ++i) {
    outcomes[i] = batch[i]->run(*connection_);
    if (connection_->take_failure()) status = outcomes[i];
  }
  if (status.ok()) status = connection_->commit();
  if (!status.ok()) connection_->roll_back();
  connection_->take_failure();
  return status;
}

void Writer::write(Batch batch) {
  const auto start = SteadyClock::now();
  std::vector<Status> outcomes;
  const Status status = try_batch(batch, outcomes);
  commit_seconds_.observe(std::chrono::duration<double>(SteadyClock::now() - start).count());
  batch_jobs_.observe(static_cast<double>(batch.size()));
  if (status.ok()) {
    for (std::size_t i = 0; i < batch.size(); ++i) conclude(std::move(batch[i]), outcomes[i]);
    return report_recovery();
  }
  if (batch.size() == 1) return conclude(std::move(batch.front()), status);
  // One job must not spoil the others: each by itself. But without room there is no use in trying
  // every one of what can wait.
  const bool no_room = status.code() == StatusCode::kResourceExhausted;
  for (auto& job : batch) {
    if (no_room && job->persistent() && !is_closing()) {
      conclude(std::move(job), status);
      continue;
    }
    Batch one;
    one.push_back(std::move(job));
    const Status alone = try_batch(one, outcomes);
    conclude(std::move(one.front()), alone.ok() ? outcomes.front() : alone);
  }
}

bool Writer::is_closing() {
  const std::lock_guard lock(mutex_);
  return closing_;
}

void Writer::report_recovery() {
  const std::lock_guard lock(mutex_);
  if (!reported_stall_ || !stalled_.empty()) return;
  reported_stall_ = false;
  log::info("store", "the records that waited in memory are written");
}

void Writer::conclude(std::unique_ptr<WriteJob> job, const Status& status) {
  if (status.ok() || !job->persistent()) {
    job->finish(status);
    return;
  }
  const std::lock_guard lock(mutex_);
  if (!closing_) {
    queued_bytes_ += job->bytes();
    stalled_.push_back(std::move(job));
    stall_status_ = status;
    retry_at_ = SteadyClock::now() + options_.retry_after;
    if (!std::exchange(reported_stall_, true)) {
      log::error("store", "records wait in memory: they cannot be written now",
                 {{"path", connection_->path().string()}, {"reason", status.to_string()}});
    }
    return;
  }
  if (job->is_record()) {
    given_up_.add();
    given_up_status_ = status;
  }
  job->finish(status);
}

}  // namespace berth::store
