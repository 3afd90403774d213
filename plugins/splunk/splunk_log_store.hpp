// SPDX-License-Identifier: Apache-2.0
// The LogStore over Splunk. With mode "hec" appends are formatted on the caller's thread and
// written to the spool by one thread, everything that waits at once; that is when they are
// answered. One event loop ships what is in the spool and searches. With the other modes only the
// search is left. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "berth/sdk/host.hpp"
#include "berth/sdk/log_store.hpp"
#include "search.hpp"
#include "settings.hpp"
#include "shipper.hpp"
#include "spool.hpp"
#include "support/event_loop.hpp"
#include "support/http/client.hpp"

namespace berth::splunk {

class SplunkLogStore final : public sdk::LogStore, public sdk::LogFollow, public sdk::LogOutOfBand {
 public:
  explicit SplunkLogStore(const sdk::OpenArgs& args);
  // Answers what is still open and joins the threads.
  ~SplunkLogStore() override;

  bool out_of_band() const override { return settings_.mode != Mode::kHec; }
  void start(sdk::Promise<void> done) override;
  void container_parameters(sdk::Promise<sdk::Pairs> done) override;
  void append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines, bool final,
              sdk::Promise<void> done) override;
  void fetch(const sdk::ActivationRefView& activation, std::string_view cursor,
             std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) override;
  // UNIMPLEMENTED where lines have no numbers (only `hec` gives them) or cannot be searched for.
  void follow(const sdk::ActivationRefView& activation, std::string_view cursor,
              std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) override;
  // Also waits a while for Splunk to take what is in the spool; what it does not take stays there.
  void drain(sdk::Promise<void> done) override;
  void stop(sdk::Promise<void> done) override;

 private:
  enum class State { kNew, kStarting, kRunning, kStopped };
  enum class Kind { kStart, kAppend, kSync, kStop };
  struct Job {
    Kind kind;
    Spool::Item item;
    sdk::Promise<void> done;
  };
  using SteadyTime = std::chrono::steady_clock::time_point;

  // What is asked for, of a running store; fails `done` and returns false if it makes no sense.
  bool wanted_of(const sdk::ActivationRefView& activation, std::string_view cursor, Wanted& wanted,
                 sdk::Promise<sdk::LogPage>& done) const;
  void write_loop();
  void write(std::deque<Job> jobs);
  void write_items(std::vector<Spool::Item>& items, std::vector<sdk::Promise<void>>& waiting);
  void run(Job job);
  void open_spool(sdk::Promise<void> done);
  void sync_if_due();
  void wake_shipper();
  sdk::Status not_running() const;  // with mutex_ held

  const sdk::Log log_;
  const Settings settings_;
  Spool spool_;
  sdk::Series lines_;
  sdk::Series failures_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  State state_ = State::kNew;
  bool ending_ = false;
  std::deque<Job> jobs_;
  std::uint64_t queued_bytes_ = 0;
  std::atomic<bool> shipper_woken_{false};

  bool dirty_ = false;     // of the writing thread
  SteadyTime sync_due_{};  // of the writing thread
  bool failing_ = false;   // of the writing thread: one line of log a failure, not one an append

  std::unique_ptr<support::EventLoop> loop_;
  std::unique_ptr<support::http::Client> search_;  // of the loop's thread
  std::shared_ptr<Shipper> shipper_;               // of the loop's thread
  std::thread writer_;
};

}  // namespace berth::splunk
