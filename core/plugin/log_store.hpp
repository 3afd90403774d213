// SPDX-License-Identifier: Apache-2.0
// A LogStore as the core sees it: whatever plugins the operator chose, behind awaitables. Threads
// as in container_factory.hpp. LogStoreSet (log_store_set.hpp) is several stores behind this one
// interface.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugin/container_factory.hpp"

namespace berth::plugin {

// Field by field berth_activation_ref.
struct ActivationRef {
  std::string activation_id;
  std::string namespace_name;
  std::string namespace_id;
  std::string action;  // "ns/[pkg/]name"
  std::string container_id;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
};

struct LogLine {
  Stream stream = Stream::kStdout;
  std::int64_t time_ns = 0;
  std::uint64_t sequence = 0;
  std::string text;  // valid UTF-8, without the line's end
};

struct LogPage {
  std::vector<LogLine> lines;
  std::string next_cursor;  // empty: the end
  bool partial = false;     // some lines are lost
};

class LogStore {
 public:
  virtual ~LogStore() = default;

  virtual Awaitable<void> start(SteadyTime deadline) = 0;
  // True: the core reads no logs and calls no `append`.
  virtual bool out_of_band() const = 0;
  virtual Awaitable<Pairs> container_parameters(SteadyTime deadline) = 0;
  virtual Awaitable<void> append(ActivationRef activation, std::vector<LogLine> lines, bool final,
                                 SteadyTime deadline) = 0;
  virtual Awaitable<LogPage> fetch(ActivationRef activation, std::string cursor,
                                   std::uint64_t max_bytes, SteadyTime deadline) = 0;
  // True if `follow` does something.
  virtual bool can_follow() const { return false; }
  // As `fetch` of logs that may still grow: waits for at least one line until the deadline; an
  // empty cursor says that no more will come.
  virtual Awaitable<LogPage> follow(ActivationRef activation, std::string cursor,
                                    std::uint64_t max_bytes, SteadyTime deadline);
  virtual Awaitable<void> drain(SteadyTime deadline) = 0;
  virtual Awaitable<void> stop(SteadyTime deadline) = 0;
};

inline Awaitable<LogPage> LogStore::follow(ActivationRef, std::string, std::uint64_t, SteadyTime) {
  co_return sdk::unimplemented("this log store cannot follow logs");
}

}  // namespace berth::plugin
