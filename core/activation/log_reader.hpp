// SPDX-License-Identifier: Apache-2.0
// The output of one container told apart by activations: which lines belong to whom, and when an
// activation has all of its lines. Private to the LogCollector; does no input or output itself.
// Not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "activation/log_appender.hpp"
#include "activation/log_framer.hpp"

namespace berth::activation {

class LogReader;

struct LogCollector::Entry {
  std::shared_ptr<LogParcel> parcel;
  std::shared_ptr<void> hold;
  LogReader* reader = nullptr;  // null: nothing is read for it
  std::uint64_t limit_bytes = 0;
  std::uint64_t used_bytes = 0;
  bool sentinelled = true;
  bool truncated = false;
  bool seen[2] = {false, false};  // the sentinel, by stream
  bool ended = false;
  LogEnd how = LogEnd::kNormal;
  bool complete = false;
  std::int64_t begin_ns = 0;  // wall time
  SteadyTime begun_at;
  SteadyTime ended_at;
};

class LogReader final : public std::enable_shared_from_this<LogReader>, private LogFramer::Sink {
 public:
  using Ticket = LogCollector::Ticket;
  using Hook = boost::intrusive::list_member_hook<
      boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

  LogReader(std::string container_id, LogAppender& appender, const Clock& clock,
            const LogCollectorOptions& options);

  const std::string& container_id() const { return container_id_; }
  bool idle() const { return entries_.empty(); }
  // Some activation ended whose lines are not all there.
  bool wanted() const { return !entries_.empty() && entries_.front()->ended; }
  // Output was lost where several activations might miss it: what comes is nobody's any more.
  bool lost_track() const { return lost_track_; }
  // The oldest activation's begin; only if not idle().
  SteadyTime begun_at() const { return entries_.front()->begun_at; }
  // How long the next read should wait for output.
  std::chrono::milliseconds patience() const;

  void begin(const Ticket& entry);
  void cancel(const Ticket& entry);

  // Output came. `issued_at`: when it was asked for.
  void take(const plugin::LogBatch& batch, SteadyTime issued_at);
  // Output is missing: for whom it is looked for now, it is lost.
  void lose();
  // It was overwritten before it was read; reads go on with the oldest that is left.
  void lose_place();
  // Nothing will come any more.
  void finish();
  // The reader goes away: entries that have not ended are on their own.
  void abandon();
  // What has come of activations that began before `old` and still run goes to the store.
  void hand_over_running(SteadyTime old);
  // Completes what is complete. False: the container's output can no longer be told apart.
  bool settle();

  // The collector's own.
  std::string cursor;
  bool reading = false;
  bool unreadable = false;  // told once
  std::uint32_t failures = 0;
  Hook due_hook;
  Hook running_hook;

 private:
  void on_line(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours,
               std::string text) override;
  void on_sentinel(plugin::Stream stream) override;

  LogCollector::Entry* at(std::size_t position);
  void add(LogCollector::Entry& entry, plugin::Stream stream, std::int64_t time_ns,
           std::string text);
  void say(LogCollector::Entry& entry, std::string_view text);
  bool has_sentinels(const LogCollector::Entry& entry) const;
  bool waits_for_sentinel(const LogCollector::Entry& entry) const;
  void complete(const Ticket& entry, bool lost);

  struct Stray {
    plugin::Stream stream;
    std::int64_t time_ns;
    std::string text;
  };

  const std::string container_id_;
  LogAppender& appender_;
  const Clock& clock_;
  const LogCollectorOptions& options_;
  LogFramer framer_;
  std::deque<Ticket> entries_;
  std::size_t first_ = 0;             // the position of entries_.front()
  std::size_t position_[2] = {0, 0};  // whose lines come next, by stream
  std::vector<Stray> strays_;         // lines that came when nobody ran
  std::size_t stray_bytes_ = 0;
  bool sentinel_seen_[2] = {false, false};
  bool over_ = false;
  bool confused_ = false;
  bool reads_oldest_ = false;  // the next read is the first after a loss of place
  bool lost_track_ = false;
  SteadyTime last_output_;
  SteadyTime quiet_since_;  // a read asked for then brought nothing
  bool quiet_ = false;
};

}  // namespace berth::activation
