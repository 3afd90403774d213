// SPDX-License-Identifier: Apache-2.0
// The second half of the LogCollector: lines that have been told apart go to the LogStore, in
// batches, in order within an activation, a bounded number of appends at once. Not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "activation/log_collector.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "plugin/log_store.hpp"

namespace berth::activation {

// The lines of one activation on their way.
struct LogParcel {
  plugin::ActivationRef activation;
  std::vector<plugin::LogLine> lines;
  std::size_t bytes = 0;       // of `lines`, as accounted
  std::uint64_t sequence = 0;  // of the next line
  bool final = false;          // no more lines will come
  bool lost = false;           // some lines were dropped
  SteadyTime ended_at;         // of the run

  // Linked until all is appended or given up; then LogCollector::pending(id) knows it no more.
  boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
      open_hook;

  // The appender's own.
  bool queued = false;
  bool busy = false;
  bool done = false;
};

class LogAppender : public std::enable_shared_from_this<LogAppender> {
 public:
  LogAppender(LogCollectorDependencies dependencies, const LogCollectorOptions& options);

  // Keeps the line, or drops it, counts that and sets `lost` if there is no room.
  void add(LogParcel& parcel, plugin::Stream stream, std::int64_t time_ns, std::string text);
  // Appends what there is, if it is a batch or the last part, or if somebody may be watching
  // (`now`).
  void push(const std::shared_ptr<LogParcel>& parcel, bool now = false);
  // Final parcels not wholly appended.
  std::size_t pending() const { return pending_; }

 private:
  void start_next();
  void append(std::shared_ptr<LogParcel> parcel);
  void send(std::shared_ptr<LogParcel> parcel, std::vector<plugin::LogLine> lines,
            std::size_t bytes, bool final, std::uint32_t attempt);
  void sent(const std::shared_ptr<LogParcel>& parcel, std::size_t bytes, bool final);

  const LogCollectorDependencies with_;
  const LogCollectorOptions options_;
  std::deque<std::shared_ptr<LogParcel>> queue_;
  std::size_t running_ = 0;
  std::size_t pending_ = 0;
  std::size_t pending_bytes_ = 0;
  Counter& dropped_lines_;
  Counter& failed_appends_;
  Counter& lines_;
  Histogram& seconds_;
};

}  // namespace berth::activation
