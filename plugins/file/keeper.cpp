// SPDX-License-Identifier: Apache-2.0
// The part of FileLogStore that keeps the directory in order: side files, compression, deletion by
// age and size; files that are begun because the last one is old; the copy for other shippers.
#include <algorithm>
#include <limits>
#include <utility>

#include "file_log_store.hpp"

namespace berth::file {
namespace {

// How often it is looked for files that are too old.
constexpr std::chrono::seconds kTick{10};

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void FileLogStore::wake_keeper() {
  {
    const std::lock_guard lock(mutex_);
    keep_ = true;
  }
  keep_wake_.notify_one();
}

void FileLogStore::keep_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool by_age = settings_.max_age.count() > 0;
    const auto ready = [this] { return ending_ || keep_; };
    if (by_age) {
      keep_wake_.wait_for(lock, kTick, ready);
    } else {
      keep_wake_.wait(lock, ready);
    }
    if (ending_) return;
    keep_ = false;
    if (state_ != State::kRunning) continue;
    lock.unlock();
    keep();
    lock.lock();
  }
}

void FileLogStore::keep() {
  sdk::Status status = files_.seal_full();
  if (!status.ok()) {
    failures_.record(1);
    log_.warn("the index of a log file stays in memory", {{"reason", status.to_string()}});
  }
  status = files_.keep_house(&stopping_);
  if (!status.ok() && status.code() != sdk::StatusCode::kCancelled) {
    failures_.record(1);
    log_.warn("a log file is not compressed", {{"reason", status.to_string()}});
  }
  const LogFiles::Stats stats = files_.stats();
  file_count_.record(static_cast<double>(stats.files));
  file_bytes_.record(static_cast<double>(stats.bytes));
}

FileLogStore::SteadyTime FileLogStore::next_write() const {
  SteadyTime due = rotate_due_;
  if (dirty_ && settings_.sync == Sync::kInterval) due = std::min(due, sync_due_);
  return due;
}

void FileLogStore::rotate_if_due() {
  if (settings_.max_file_age.count() == 0) return;
  std::int64_t next_ms = 0;
  if (const sdk::Status status = files_.rotate_if_old(next_ms); !status.ok()) {
    failures_.record(1);
    log_.error("no new log file can be begun", {{"reason", status.to_string()}});
    rotate_due_ = std::chrono::steady_clock::now() + kTick;
    return;
  }
  if (files_.take_rotated()) wake_keeper();
  rotate_due_ = SteadyTime::max();
  if (next_ms == std::numeric_limits<std::int64_t>::max()) return;
  const std::int64_t left = std::max<std::int64_t>(next_ms - wall_ms(), 1);
  rotate_due_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(left);
}

void FileLogStore::write_user_logs(const std::vector<Block>& blocks, std::size_t written) {
  if (settings_.userlogs_directory.empty()) return;
  std::string lines;
  for (std::size_t i = 0; i < written; ++i) lines += blocks[i].user_logs;
  const sdk::Status status = user_logs_.append(lines, wall_ms());
  if (!status.ok()) failures_.record(1);
  if (!status.ok() && !user_logs_failing_) {
    log_.error("lines are missing in the copy for other shippers",
               {{"reason", status.to_string()}});
  }
  user_logs_failing_ = !status.ok();
}

}  // namespace berth::file
