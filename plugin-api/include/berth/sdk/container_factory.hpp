// SPDX-License-Identifier: Apache-2.0
// `ContainerFactory`: derive from it to provide berth.container-factory/1.
//
// Each override takes views that are valid until it returns and a Promise to be answered once, from
// any thread, now or later; no override may block. Except for `start` and `stop`, overrides are
// called from any thread and concurrently. What each call means is said in
// berth/plugin/container_factory.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/plugin/container_factory.h"
#include "berth/sdk/promise.hpp"
#include "berth/sdk/status.hpp"
#include "berth/sdk/strings.hpp"

namespace berth::sdk {

// What to create, owned.
struct CreateRequest {
  std::string transaction_id;
  std::string name;
  std::string kind;
  std::string image;
  bool user_provided_image = false;
  std::uint64_t memory_bytes = 0;
  std::uint32_t cpu_shares = 0;
  std::uint32_t cpu_quota_millis = 0;  // 0: no limit
  std::uint32_t pids_limit = 0;        // 0: the plugin's default
  std::uint32_t concurrency = 1;
  Pairs environment;
  Pairs labels;
  Pairs log_parameters;
};

// What to create, borrowed.
struct CreateRequestView {
  explicit CreateRequestView(const berth_create_request& r)
      : transaction_id(view(r.transaction_id)),
        name(view(r.name)),
        kind(view(r.kind)),
        image(view(r.image)),
        user_provided_image(r.user_provided_image != 0),
        memory_bytes(r.memory_bytes),
        cpu_shares(r.cpu_shares),
        cpu_quota_millis(r.cpu_quota_millis),
        pids_limit(r.pids_limit),
        concurrency(r.concurrency),
        environment(r.environment),
        labels(r.labels),
        log_parameters(r.log_parameters) {}

  CreateRequest clone() const {
    CreateRequest copy;
    copy.transaction_id = transaction_id;
    copy.name = name;
    copy.kind = kind;
    copy.image = image;
    copy.user_provided_image = user_provided_image;
    copy.memory_bytes = memory_bytes;
    copy.cpu_shares = cpu_shares;
    copy.cpu_quota_millis = cpu_quota_millis;
    copy.pids_limit = pids_limit;
    copy.concurrency = concurrency;
    copy.environment = environment.clone();
    copy.labels = labels.clone();
    copy.log_parameters = log_parameters.clone();
    return copy;
  }

  std::string_view transaction_id;
  std::string_view name;
  std::string_view kind;
  std::string_view image;
  bool user_provided_image;
  std::uint64_t memory_bytes;
  std::uint32_t cpu_shares;
  std::uint32_t cpu_quota_millis;
  std::uint32_t pids_limit;
  std::uint32_t concurrency;
  PairsView environment;
  PairsView labels;
  PairsView log_parameters;
};

enum class ContainerState : std::int32_t {
  kRunning = BERTH_CONTAINER_RUNNING,
  kPaused = BERTH_CONTAINER_PAUSED,
  kDead = BERTH_CONTAINER_DEAD,
};

struct ContainerInfo {
  std::string id;       // handle for the other calls
  std::string token;    // durable: enough to find it again after a restart of berthd
  std::string address;  // "tcp://host:port" or "unix:/path"
  std::string name;     // as in the request
  ContainerState state = ContainerState::kRunning;
  Pairs labels;
};

struct ContainerList {
  std::vector<ContainerInfo> containers;
  std::string next_cursor;  // empty: this was the last page
};

enum class Stream : std::int32_t { kStdout = BERTH_STREAM_STDOUT, kStderr = BERTH_STREAM_STDERR };

// A result of `read_logs`. Copies each record's bytes once, into one block that is handed over.
class LogBatch {
 public:
  // `flags`: BERTH_LOG_PARTIAL_LINE, BERTH_LOG_TIME_IS_OURS. `time_ns` is since the epoch.
  void add(Stream stream, std::int64_t time_ns, std::string_view bytes, std::uint32_t flags = 0) {
    records_.push_back({stream, flags, time_ns, bytes_.size(), bytes.size()});
    bytes_.append(bytes);
  }
  // Room for so many bytes of text in so many records, where it is known that they will come.
  void reserve(std::size_t records, std::size_t bytes) {
    records_.reserve(records);
    bytes_.reserve(bytes);
  }
  std::size_t size() const { return records_.size(); }
  bool empty() const { return records_.empty(); }
  std::size_t bytes() const { return bytes_.size(); }

  std::string next_cursor;
  bool ended = false;  // the container has ended and nothing will follow

 private:
  friend struct Wire<LogBatch>;
  struct Record {
    Stream stream;
    std::uint32_t flags;
    std::int64_t time_ns;
    std::size_t offset;
    std::size_t size;
  };
  std::vector<Record> records_;
  std::string bytes_;
};

// -1: unknown or unlimited.
struct Capacity {
  std::uint32_t features = 0;  // BERTH_CAPACITY_...
  std::int64_t memory_bytes = -1;
  std::int64_t memory_free_bytes = -1;
  std::int64_t cpu_millis = -1;
  std::int64_t containers_max = -1;
  std::string detail;
};

enum class StopMode : std::int32_t { kKill = BERTH_STOP_KILL, kDetach = BERTH_STOP_DETACH };

// Where to report containers that ended by themselves, and what creates wait for; from `start`,
// valid until the destructor returned. [any-thread], never calls back.
class ContainerEvents {
 public:
  ContainerEvents() = default;
  explicit ContainerEvents(const berth_container_events* events) : events_(events) {}

  // `exit_code`: 0..255, 128+N for signal N, -1 unknown.
  void died(std::string_view id, int exit_code, bool oom, std::string_view reason) const noexcept {
    if (events_ == nullptr) return;
    const berth_container_died event{
        sizeof(berth_container_died), exit_code, oom ? 1u : 0u, 0, str(id), str(reason)};
    events_->container_died(events_->context, &event);
  }

  // `name` is that of the create's request, `text` what it waits for, for people. Without effect
  // where the host does not want to know.
  void progress(std::string_view name, std::string_view text) const noexcept {
    constexpr std::size_t kEnd =
        offsetof(berth_container_events, create_progress) + sizeof events_->create_progress;
    if (events_ == nullptr || events_->struct_size < kEnd || events_->create_progress == nullptr) {
      return;
    }
    events_->create_progress(events_->context, str(name), str(text));
  }

 private:
  const berth_container_events* events_ = nullptr;
};

class ContainerFactory {
 public:
  virtual ~ContainerFactory() = default;

  virtual void start(ContainerEvents events, Promise<void> done) {
    static_cast<void>(events);
    done.ok();
  }
  virtual void create(const CreateRequestView& request, Promise<ContainerInfo> done) = 0;
  virtual void destroy(std::string_view id, Promise<void> done) = 0;
  virtual void pause(std::string_view id, Promise<void> done) {
    static_cast<void>(id);
    done.fail(unimplemented("this plugin cannot pause containers"));
  }
  virtual void resume(std::string_view id, Promise<void> done) {
    static_cast<void>(id);
    done.fail(unimplemented("this plugin cannot resume containers"));
  }
  virtual void list(std::string_view cursor, std::uint32_t limit, Promise<ContainerList> done) = 0;
  virtual void read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                         Promise<LogBatch> done) = 0;
  virtual void capacity(Promise<Capacity> done) { done.ok(Capacity()); }
  virtual void drain(Promise<void> done) { done.ok(); }
  virtual void stop(StopMode mode, Promise<void> done) = 0;

  // Nobody waits for the operation any more: `id` is its Promise's id(). It is still to be answered
  // (usually CANCELLED), sooner than otherwise; it may have been answered already.
  virtual void on_cancel(std::uint64_t id) { static_cast<void>(id); }
};

namespace detail {

inline berth_container_info wire_info(const ContainerInfo& info, const PairArray& labels) {
  return berth_container_info{sizeof(berth_container_info),
                              static_cast<std::int32_t>(info.state),
                              str(info.id),
                              str(info.token),
                              str(info.address),
                              str(info.name),
                              labels.get()};
}

}  // namespace detail

template <>
struct Wire<ContainerInfo> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       const ContainerInfo& info) {
    const PairArray labels(info.labels);
    const berth_container_info wire = detail::wire_info(info, labels);
    host.complete(host.context, op, &status, &wire);
  }
};

template <>
struct Wire<ContainerList> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       const ContainerList& list) {
    std::vector<PairArray> labels;
    std::vector<berth_container_info> infos;
    std::vector<const berth_container_info*> pointers;
    labels.reserve(list.containers.size());
    infos.reserve(list.containers.size());
    pointers.reserve(list.containers.size());
    for (const ContainerInfo& info : list.containers) {
      labels.emplace_back(info.labels);
      infos.push_back(detail::wire_info(info, labels.back()));
      pointers.push_back(&infos.back());
    }
    const berth_container_list wire{sizeof(berth_container_list), 0, pointers.data(),
                                    pointers.size(), str(list.next_cursor)};
    host.complete(host.context, op, &status, &wire);
  }
};

template <>
struct Wire<LogBatch> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       LogBatch batch) {
    std::vector<berth_log_record> records;
    records.reserve(batch.records_.size());
    const berth_buf owner = detail::hand_over(std::move(batch.bytes_));
    for (const LogBatch::Record& r : batch.records_) {
      const std::string_view bytes(owner.data == nullptr ? "" : owner.data + r.offset, r.size);
      records.push_back(
          berth_log_record{static_cast<std::int32_t>(r.stream), r.flags, r.time_ns, str(bytes)});
    }
    const berth_log_batch wire{sizeof(berth_log_batch), batch.ended ? 1u : 0u,  records.data(),
                               records.size(),          str(batch.next_cursor), owner};
    host.complete(host.context, op, &status, &wire);
  }
};

template <>
struct Wire<Capacity> {
  static void complete(const berth_host& host, berth_op op, const berth_status& status,
                       const Capacity& capacity) {
    const berth_capacity wire{sizeof(berth_capacity), capacity.features,
                              capacity.memory_bytes,  capacity.memory_free_bytes,
                              capacity.cpu_millis,    capacity.containers_max,
                              str(capacity.detail)};
    host.complete(host.context, op, &status, &wire);
  }
};

}  // namespace berth::sdk
