// SPDX-License-Identifier: Apache-2.0
#include "file_log_store.hpp"

#include <algorithm>
#include <utility>

namespace berth::file {
namespace {

// How long the writer waits for company after it has written. Blocks that come close upon each
// other are written together then, and only the first of them costs their thread a wake-up.
constexpr std::chrono::milliseconds kLinger{1};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

FileLogStore::FileLogStore(const sdk::OpenArgs& args)
    : log_(args.host.log()),
      settings_(Settings::parse(args.config_json, args.data_directory)),
      files_({.directory = settings_.directory,
              .max_file_bytes = settings_.max_file_bytes,
              .max_files = settings_.max_files,
              .max_bytes = settings_.max_bytes,
              .max_age = settings_.max_age,
              .max_file_age = settings_.max_file_age,
              .pack = settings_.compress}),
      user_logs_(settings_.userlogs_directory) {
  const sdk::Metrics metrics = args.host.metrics();
  lines_ = metrics.counter("lines_total", "Lines of logs kept");
  bytes_ = metrics.counter("written_bytes_total", "Bytes written to log files");
  failures_ = metrics.counter("failures_total", "Writes and syncs that failed");
  file_count_ = metrics.gauge("log_files", "Log files there are");
  file_bytes_ = metrics.gauge("log_files_bytes", "Size of all log files");
}

FileLogStore::~FileLogStore() {
  join();
}

void FileLogStore::join() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    release_followers();
  }
  __atomic_store_n(&stopping_, true, __ATOMIC_RELAXED);
  write_wake_.notify_all();
  read_wake_.notify_all();
  keep_wake_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (reader_.joinable()) reader_.join();
  if (keeper_.joinable()) keeper_.join();
}

sdk::Status FileLogStore::not_running() const {
  switch (state_) {
    case State::kRunning: return {};
    case State::kStopped: return sdk::unavailable("the file log store is stopped");
    default: return sdk::failed_precondition("the file log store is not started");
  }
}

void FileLogStore::start(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kNew) {
      return done.fail(sdk::failed_precondition("the file log store was started before"));
    }
    state_ = State::kStarting;
    starts_.push_back(std::move(done));
  }
  // Recovery may read a whole log file: not on the host's thread.
  reader_ = std::thread([this] { read_loop(); });
  writer_ = std::thread([this] { write_loop(); });
  keeper_ = std::thread([this] { keep_loop(); });
}

void FileLogStore::append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines,
                          bool final, sdk::Promise<void> done) {
  const auto id = parse_id(activation.activation_id);
  if (!id) {
    return done.fail(
        sdk::invalid_argument("no activation id: " + std::string(activation.activation_id)));
  }
  Block block;
  block.id = *id;
  if (final) block.flags |= kChunkFinal;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const sdk::LogLineView line = lines[i];
    if (line.stream != sdk::Stream::kStdout && line.stream != sdk::Stream::kStderr) {
      return done.fail(
          sdk::invalid_argument("line " + std::to_string(i) + " is of no known stream"));
    }
    if (line.sequence == 0) block.flags |= kChunkFirst;
  }
  block.bytes = format_lines(activation, lines, final, now_ns());
  if (!settings_.userlogs_directory.empty()) block.user_logs = UserLogs::format(activation, lines);
  bool wake = true;
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) return done.fail(status);
    // However long, one goes in when nothing else waits.
    if (queued_bytes_ > 0 && queued_bytes_ + block.bytes.size() > settings_.max_queued_bytes) {
      return done.fail(
          sdk::resource_exhausted(std::to_string(queued_bytes_) + " bytes of logs wait for " +
                                  settings_.directory.string() +
                                  ": the disk is too slow, or raise plugin.file.max_queued_bytes"));
    }
    queued_bytes_ += block.bytes.size();
    jobs_.push_back({Kind::kAppend, std::move(block), std::move(done)});
    if (queued_bytes_ > settings_.max_queued_bytes / 2) urgent_ = true;
    wake = !lingering_ || urgent_;
  }
  lines_.record(static_cast<double>(lines.size()));
  if (wake) write_wake_.notify_one();
}

void FileLogStore::fetch(const sdk::ActivationRefView& activation, std::string_view cursor,
                         std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) {
  queue(activation, cursor, max_bytes, false, std::move(done));
}

void FileLogStore::follow(const sdk::ActivationRefView& activation, std::string_view cursor,
                          std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) {
  queue(activation, cursor, max_bytes, true, std::move(done));
}

void FileLogStore::queue(const sdk::ActivationRefView& activation, std::string_view cursor,
                         std::uint64_t max_bytes, bool follow, sdk::Promise<sdk::LogPage> done) {
  const auto id = parse_id(activation.activation_id);
  if (!id)
    return done.fail(sdk::not_found("no activation id: " + std::string(activation.activation_id)));
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) return done.fail(status);
    reads_.push_back({*id, std::string(activation.namespace_name), std::string(cursor), max_bytes,
                      std::move(done), follow});
    if (follow) ++watched_[*id].readers;
  }
  read_wake_.notify_one();
}

void FileLogStore::drain(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) return done.fail(status);
    jobs_.push_back({Kind::kDrain, Block(), std::move(done)});
    urgent_ = true;
  }
  write_wake_.notify_one();
}

void FileLogStore::stop(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) {
      // Stopping what never ran, or again, is no mistake.
      return done.ok();
    }
    state_ = State::kStopped;
    jobs_.push_back({Kind::kStop, Block(), std::move(done)});
    release_followers();
    urgent_ = true;
  }
  __atomic_store_n(&stopping_, true, __ATOMIC_RELAXED);
  read_wake_.notify_one();
  write_wake_.notify_one();
}

void FileLogStore::write_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto ready = [this] { return ending_ || !jobs_.empty(); };
    if (const SteadyTime due = next_write(); due != SteadyTime::max()) {
      write_wake_.wait_until(lock, due, ready);
    } else {
      write_wake_.wait(lock, ready);
    }
    if (jobs_.empty() && ending_) return;
    std::deque<Job> jobs = std::exchange(jobs_, {});
    queued_bytes_ = 0;
    urgent_ = false;
    lock.unlock();
    write(std::move(jobs));
    sync_if_due();
    rotate_if_due();
    lock.lock();
    // With a sync for each write those that come meanwhile share the next one anyway.
    if (settings_.sync == Sync::kAlways) continue;
    lingering_ = true;
    write_wake_.wait_for(lock, kLinger, [this] { return ending_ || urgent_; });
    lingering_ = false;
  }
}

void FileLogStore::write(std::deque<Job> jobs) {
  std::vector<Block> blocks;
  std::vector<sdk::Promise<void>> waiting;
  const auto flush = [&] {
    write_blocks(blocks, waiting);
    blocks.clear();
    waiting.clear();
  };
  for (Job& job : jobs) {
    if (job.kind == Kind::kAppend) {
      // Nothing to keep: neither lines nor an end.
      if (job.block.bytes.empty()) {
        job.done.ok();
        continue;
      }
      blocks.push_back(std::move(job.block));
      waiting.push_back(std::move(job.done));
      continue;
    }
    flush();
    const sdk::Status status = job.kind == Kind::kDrain ? files_.sync() : files_.close();
    dirty_ = dirty_ && !status.ok();
    if (status.ok()) {
      job.done.ok();
    } else {
      failures_.record(1);
      job.done.fail(status);
    }
  }
  flush();
}

void FileLogStore::write_blocks(std::vector<Block>& blocks,
                                std::vector<sdk::Promise<void>>& waiting) {
  if (blocks.empty()) return;
  std::size_t written = 0;
  sdk::Status status = files_.append(blocks, written);
  if (written > 0) {
    if (!dirty_) sync_due_ = std::chrono::steady_clock::now() + settings_.sync_interval;
    dirty_ = true;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < written; ++i) bytes += blocks[i].bytes.size();
    bytes_.record(static_cast<double>(bytes));
    if (files_.take_rotated()) wake_keeper();
    wake_followers(blocks, written);
    write_user_logs(blocks, written);
  }
  if (settings_.sync == Sync::kAlways && written > 0) {
    if (sdk::Status synced = files_.sync(); !synced.ok()) {
      // They are in the file, but what was promised is not kept.
      status = std::move(synced);
      written = 0;
    } else {
      dirty_ = false;
    }
  }
  if (!status.ok()) {
    failures_.record(1);
    if (!failing_) log_.error("logs cannot be written", {{"reason", status.to_string()}});
  } else if (failing_) {
    log_.info("logs are written again");
  }
  failing_ = !status.ok();
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    if (i < written) {
      waiting[i].ok();
    } else {
      waiting[i].fail(status);
    }
  }
}

void FileLogStore::sync_if_due() {
  if (!dirty_ || settings_.sync != Sync::kInterval) return;
  if (std::chrono::steady_clock::now() < sync_due_) return;
  const sdk::Status status = files_.sync();
  dirty_ = !status.ok();
  if (status.ok()) return;
  sync_due_ = std::chrono::steady_clock::now() + settings_.sync_interval;
  failures_.record(1);
  log_.error("logs cannot be forced to the disk", {{"reason", status.to_string()}});
}

void FileLogStore::read_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto ready = [this] { return ending_ || !reads_.empty() || !starts_.empty(); };
    if (const SteadyTime due = next_give_up(); due == SteadyTime::max()) {
      read_wake_.wait(lock, ready);
    } else if (!read_wake_.wait_until(lock, due, ready)) {
      lock.unlock();
      give_up_followers();
      lock.lock();
      continue;
    }
    if (!starts_.empty()) {
      sdk::Promise<void> done = std::move(starts_.back());
      starts_.pop_back();
      lock.unlock();
      recover(std::move(done));
      lock.lock();
    } else if (!reads_.empty()) {
      Read read = std::move(reads_.front());
      reads_.pop_front();
      lock.unlock();
      if (read.follow) {
        answer_follow(std::move(read));
      } else {
        answer(std::move(read));
      }
      lock.lock();
    } else if (ending_) {
      return;
    }
  }
}

void FileLogStore::recover(sdk::Promise<void> done) {
  Recovery recovery;
  const sdk::Status status = files_.open(recovery);
  if (recovery.torn_bytes > 0 || recovery.damaged_lines > 0) {
    log_.warn("log files were not closed cleanly",
              {{"directory", settings_.directory.string()},
               {"torn_bytes_cut", std::to_string(recovery.torn_bytes)},
               {"damaged_lines", std::to_string(recovery.damaged_lines)}});
  }
  {
    const std::lock_guard lock(mutex_);
    state_ = status.ok() ? State::kRunning : State::kStopped;
    keep_ = status.ok();
  }
  keep_wake_.notify_one();
  if (!status.ok()) return done.fail(status);
  done.ok();
}

void FileLogStore::answer(Read read) {
  Fetched fetched = files_.fetch(read.id, read.namespace_name, read.cursor, read.max_bytes);
  if (!fetched.status.ok()) return read.done.fail(fetched.status);
  if (fetched.partial) return read.done.partial(std::move(fetched.page));
  read.done.ok(std::move(fetched.page));
}

}  // namespace berth::file
