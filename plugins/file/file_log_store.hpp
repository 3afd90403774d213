// SPDX-License-Identifier: Apache-2.0
// The LogStore over LogFiles. Appends are formatted on the caller's thread, queued, and written by
// one thread, everything that waits at once; fetches belong to a second thread, side files,
// compression and deletion to a third.
//
// Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "berth/sdk/host.hpp"
#include "berth/sdk/log_store.hpp"
#include "log_files.hpp"
#include "settings.hpp"
#include "user_logs.hpp"

namespace berth::file {

class FileLogStore final : public sdk::LogStore, public sdk::LogFollow {
 public:
  explicit FileLogStore(const sdk::OpenArgs& args);
  // Answers what is still open and joins the threads.
  ~FileLogStore() override;

  void start(sdk::Promise<void> done) override;
  void append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines, bool final,
              sdk::Promise<void> done) override;
  void fetch(const sdk::ActivationRefView& activation, std::string_view cursor,
             std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) override;
  void follow(const sdk::ActivationRefView& activation, std::string_view cursor,
              std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) override;
  void drain(sdk::Promise<void> done) override;
  void stop(sdk::Promise<void> done) override;

 private:
  enum class State { kNew, kStarting, kRunning, kStopped };
  enum class Kind { kAppend, kDrain, kStop };
  struct Job {
    Kind kind;
    Block block;
    sdk::Promise<void> done;
  };
  struct Read {
    ActivationId id;
    std::string namespace_name;
    std::string cursor;
    std::uint64_t max_bytes;
    sdk::Promise<sdk::LogPage> done;
    bool follow = false;
  };
  // An activation that is followed.
  struct Watch {
    std::uint64_t appends = 0;  // since it is watched
    std::size_t readers = 0;
    std::vector<Read> parked;  // wait for the next append
  };
  using SteadyTime = std::chrono::steady_clock::time_point;

  void write_loop();
  void write(std::deque<Job> jobs);
  void write_blocks(std::vector<Block>& blocks, std::vector<sdk::Promise<void>>& waiting);
  void sync_if_due();
  void read_loop();
  void recover(sdk::Promise<void> done);
  void queue(const sdk::ActivationRefView& activation, std::string_view cursor,
             std::uint64_t max_bytes, bool follow, sdk::Promise<sdk::LogPage> done);
  void answer(Read read);
  void answer_follow(Read read);
  void wake_followers(const std::vector<Block>& blocks, std::size_t written);
  void give_up_followers();
  void release_followers();         // with mutex_ held; they are answered as they are
  SteadyTime next_give_up() const;  // with mutex_ held
  void keep_loop();
  void wake_keeper();
  void keep();
  void rotate_if_due();
  void write_user_logs(const std::vector<Block>& blocks, std::size_t written);
  SteadyTime next_write() const;    // when the writing thread has to look, without a job
  sdk::Status not_running() const;  // with mutex_ held
  void join();

  const sdk::Log log_;
  const Settings settings_;
  LogFiles files_;
  sdk::Series lines_;
  sdk::Series bytes_;
  sdk::Series failures_;
  sdk::Series file_count_;
  sdk::Series file_bytes_;

  mutable std::mutex mutex_;
  std::condition_variable write_wake_;
  std::condition_variable read_wake_;
  std::condition_variable keep_wake_;
  State state_ = State::kNew;
  bool ending_ = false;
  bool lingering_ = false;  // the writer waits for more; it need not hear of what comes
  bool urgent_ = false;     // ends the writer's lingering
  std::deque<Job> jobs_;
  std::uint64_t queued_bytes_ = 0;
  std::deque<Read> reads_;
  std::map<ActivationId, Watch> watched_;
  std::vector<sdk::Promise<void>> starts_;  // at most one
  bool keep_ = false;
  bool stopping_ = false;  // looked at by what takes long, without the lock

  bool dirty_ = false;                         // of the writing thread
  SteadyTime sync_due_{};                      // of the writing thread
  SteadyTime rotate_due_ = SteadyTime::max();  // of the writing thread
  UserLogs user_logs_;                         // of the writing thread
  bool user_logs_failing_ = false;
  bool failing_ = false;  // of the writing thread: one line of log a failure, not one an append
  std::thread writer_;
  std::thread reader_;
  std::thread keeper_;
};

}  // namespace berth::file
