// SPDX-License-Identifier: Apache-2.0
// A ContainerFactory as the core sees it: whatever plugin the operator chose, behind awaitables.
//
// Calls may be made from any thread; each awaitable resumes on the executor it was awaited on. The
// implementation over a plugin is PluginContainerFactory (container_factory_proxy.hpp); tests have
// fakes.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace berth::plugin {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Field by field berth_create_request.
struct CreateRequest {
  std::string transaction_id;
  std::string name;
  std::string kind;
  std::string image;
  bool user_provided_image = false;
  std::uint64_t memory_bytes = 0;
  std::uint32_t cpu_shares = 1024;
  std::uint32_t cpu_quota_millis = 0;
  std::uint32_t pids_limit = 0;
  std::uint32_t concurrency = 1;
  Pairs environment;
  Pairs labels;
  Pairs log_parameters;
};

enum class ContainerState { kRunning = 1, kPaused = 2, kDead = 3 };

struct ContainerInfo {
  std::string id;
  std::string token;
  std::string address;
  std::string name;
  ContainerState state = ContainerState::kRunning;
  Pairs labels;
};

enum class Stream : std::int32_t { kStdout = 1, kStderr = 2 };

struct LogRecord {
  Stream stream = Stream::kStdout;
  bool partial_line = false;
  bool time_is_ours = false;
  std::int64_t time_ns = 0;
  std::string_view bytes;  // in its batch's text
};

// One allocation for all the text: a batch of a chatty function has ten thousand records.
struct LogBatch {
  std::vector<LogRecord> records;
  std::string next_cursor;
  bool ended = false;
  std::shared_ptr<const char[]> text = {};  // what the records lie in
};

struct Capacity {
  bool can_pause = false;
  bool memory_enforced = false;
  bool cpu_enforced = false;
  bool pids_enforced = false;
  std::int64_t memory_bytes = -1;
  std::int64_t memory_free_bytes = -1;
  std::int64_t cpu_millis = -1;
  std::int64_t containers_max = -1;
  std::string detail;
};

// What a living container may be given instead of what it was created with.
struct ResizeRequest {
  std::uint64_t memory_bytes = 0;
  std::uint32_t cpu_shares = 1024;
  std::uint32_t cpu_quota_millis = 0;
};

// What a container uses now. -1: unknown.
struct ContainerStats {
  std::int64_t memory_bytes = -1;
  std::int64_t memory_limit_bytes = -1;
  std::int64_t cpu_ns = -1;  // since its start
  std::int64_t pids = -1;
};

struct ContainerDied {
  std::string id;
  int exit_code = -1;
  bool oom = false;
  std::string reason;
};

enum class StopMode { kKill = 1, kDetach = 2 };

template <typename T>
using Awaitable = boost::asio::awaitable<Result<T>>;

// Every call takes the time at which the caller gives up; the result is then DEADLINE_EXCEEDED (for
// read_logs: OK and empty).
class ContainerFactory {
 public:
  // Called from any thread.
  using DiedHandler = std::function<void(ContainerDied)>;

  virtual ~ContainerFactory() = default;

  virtual Awaitable<void> start(DiedHandler on_died, SteadyTime deadline) = 0;
  virtual Awaitable<ContainerInfo> create(CreateRequest request, SteadyTime deadline) = 0;
  // What those creates wait for that take long, by the request's name, for people. Any thread.
  virtual std::map<std::string, std::string> progress() const { return {}; }
  virtual Awaitable<void> destroy(std::string id, SteadyTime deadline) = 0;
  virtual Awaitable<void> pause(std::string id, SteadyTime deadline) = 0;
  virtual Awaitable<void> resume(std::string id, SteadyTime deadline) = 0;
  // All pages joined.
  virtual Awaitable<std::vector<ContainerInfo>> list(SteadyTime deadline) = 0;
  virtual Awaitable<LogBatch> read_logs(std::string id, std::string cursor, std::uint64_t max_bytes,
                                        SteadyTime deadline) = 0;
  virtual Awaitable<Capacity> capacity(SteadyTime deadline) = 0;
  // berth.resize/1 and berth.stats/1; UNIMPLEMENTED where the plugin does not provide them.
  virtual bool can_resize() const { return false; }
  virtual Awaitable<void> resize(std::string, ResizeRequest, SteadyTime) {
    co_return sdk::unimplemented("this container factory cannot resize containers");
  }
  virtual bool has_stats() const { return false; }
  virtual Awaitable<ContainerStats> stats(std::string, SteadyTime) {
    co_return sdk::unimplemented("this container factory tells nothing of what containers use");
  }
  virtual Awaitable<void> drain(SteadyTime deadline) = 0;
  virtual Awaitable<void> stop(StopMode mode, SteadyTime deadline) = 0;
};

}  // namespace berth::plugin
