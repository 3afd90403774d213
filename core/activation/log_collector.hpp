// SPDX-License-Identifier: Apache-2.0
// Reads the output of containers, gives each activation its part and hands it to the LogStore; all
// of it off the busy path: a container runs the next activation while the last one's output is
// framed.
//
// Which output is whose: a runtime ends each activation's output with a sentinel on both streams.
// What comes between two sentinels of a stream belongs to one activation, in the order in which
// they ran. An image that promises no sentinels gives what arrives until it has been quiet for a
// moment.
//
// What is kept in memory is bounded; over it lines are dropped and counted, never waited for.
// Belongs to one io_context that one thread runs; not thread-safe.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "plugin/container_factory.hpp"
#include "plugin/log_store.hpp"

namespace berth::activation {

struct LogCollectorOptions {
  // Of one read. More is slower: allocations from 128 KB on are fresh pages each time.
  std::size_t read_bytes = 128 * 1024;
  std::size_t max_line_bytes = 1024 * 1024;          // longer lines are cut into several
  std::size_t max_batch_bytes = 512 * 1024;          // of one append
  std::size_t max_pending_bytes = 64 * 1024 * 1024;  // lines not yet appended, of all activations
  std::size_t max_appends = 64;                      // at once
  std::size_t max_parcels = 65536;                   // activations that wait for an append
  std::uint32_t append_attempts = 4;
  std::chrono::milliseconds append_timeout{30'000};
  std::chrono::milliseconds delay{5};  // from a run's end to the read: several share one
  // Runs that take longer are read while they run, and what they print goes to the store at once.
  std::chrono::milliseconds sweep{100};
  std::chrono::milliseconds poll{500};              // of one read without output
  std::chrono::milliseconds quiet{150};             // where no sentinel is waited for
  std::chrono::milliseconds quiet_max{2'000};       // and in all
  std::chrono::milliseconds sentinel_wait{10'000};  // without any output
};

struct LogCollectorDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  plugin::ContainerFactory& factory;
  plugin::LogStore& store;
};

// How an activation ended, for its logs.
enum class LogEnd {
  kNormal,          // the sentinel is waited for, where there is one
  kDeveloperError,  // it is not, and a line says that logs may be missing
  kInterrupted,     // it is not
};

class LogCollector {
 public:
  // One activation's logs from its begin to the last append.
  struct Entry;
  using Ticket = std::shared_ptr<Entry>;

  LogCollector(LogCollectorDependencies dependencies, LogCollectorOptions options);
  ~LogCollector();

  // Called when a container's output can no longer be told apart: it should be removed once idle.
  void on_unreadable(std::function<void(const std::string& container_id)> handler);

  // An activation is about to be sent to the container. `hold` is destroyed when the container's
  // output is not needed any more. Null if there is nothing to do: `limit_bytes` is 0, so that
  // nothing is read and the store hears nothing of it, or the store reads logs itself.
  Ticket begin(plugin::ActivationRef activation, std::uint64_t limit_bytes, bool sentinelled,
               std::shared_ptr<void> hold);
  // It ended. A null ticket is fine.
  void end(const Ticket& ticket, std::int64_t start_ms, std::int64_t end_ms, LogEnd how);
  // It did not reach the container: as if it had not begun.
  void cancel(const Ticket& ticket);

  // Containers that an earlier berthd used and nobody uses now: what they wrote then belongs to no
  // activation of ours. Resumes when all of it is passed over; one whose output cannot be read is
  // told to on_unreadable.
  boost::asio::awaitable<void> pass_over(std::vector<std::string> container_ids);

  // The container is gone.
  void forget(const std::string& container_id);

  // Resumes when everything that ended is appended, or the deadline passed (what is left is
  // dropped).
  boost::asio::awaitable<void> flush(SteadyTime deadline);
  // Activations whose logs are not all appended yet, running ones not counted.
  std::size_t pending() const;
  // Whether this activation has begun and its logs are not all appended yet. Looks through those
  // that are in this state: for readers of logs, not for the way of an invocation.
  bool pending(std::string_view activation_id) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::activation
