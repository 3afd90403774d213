// SPDX-License-Identifier: Apache-2.0
#include "plugin/wire.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>

namespace berth::plugin {
namespace {

constexpr std::size_t kMaxMessage = 4096;

Status malformed(const char* what) {
  return sdk::internal(std::string("the plugin's answer is malformed: ") + what);
}

// The struct that `result` points to, or null if it is shorter than what version 1 has.
template <typename Struct>
const Struct* checked(const void* result) {
  const auto* typed = static_cast<const Struct*>(result);
  return typed != nullptr && typed->struct_size >= sizeof(Struct) ? typed : nullptr;
}

class Released {
 public:
  explicit Released(const berth_buf& buf) : buf_(buf) {}
  ~Released() {
    if (buf_.release != nullptr) buf_.release(buf_.context, buf_.data, buf_.len);
  }
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

 private:
  const berth_buf buf_;
};

std::string text(berth_str from) {
  return std::string(to_view(from));
}

Pairs read_pairs(berth_pairs from) {
  Pairs pairs;
  if (from.data == nullptr) return pairs;
  pairs.reserve(from.count);
  for (std::uint64_t i = 0; i < from.count; ++i) {
    pairs.emplace_back(to_view(from.data[i].key), to_view(from.data[i].value));
  }
  return pairs;
}

Stream read_stream(std::int32_t stream) {
  return stream == BERTH_STREAM_STDERR ? Stream::kStderr : Stream::kStdout;
}

Result<ContainerInfo> read_info(const berth_container_info* info) {
  if (info == nullptr) return malformed("no berth_container_info");
  if (info->id.len == 0) return malformed("a container without an id");
  ContainerInfo read;
  read.id = text(info->id);
  read.token = text(info->token);
  read.address = text(info->address);
  read.name = text(info->name);
  switch (info->state) {
    case BERTH_CONTAINER_RUNNING: read.state = ContainerState::kRunning; break;
    case BERTH_CONTAINER_PAUSED: read.state = ContainerState::kPaused; break;
    default: read.state = ContainerState::kDead; break;  // a state we do not know is of no use
  }
  read.labels = read_pairs(info->labels);
  return read;
}

// True if the answer carries a result to be read: OK, or a part of one beside an error.
bool has_result(const Status& status, const void* result) {
  return status.ok() || (status.partial() && result != nullptr);
}

}  // namespace

WirePairs::WirePairs(const Pairs& pairs) {
  array_.reserve(pairs.size());
  for (const auto& [key, value] : pairs) array_.push_back({to_wire(key), to_wire(value)});
}

Status read_status(const berth_status* status) {
  if (status == nullptr) return {};
  if (status->struct_size < sizeof(berth_status)) return malformed("a short berth_status");
  const bool known = status->code >= BERTH_OK && status->code <= BERTH_UNAUTHENTICATED;
  const auto code = known ? static_cast<StatusCode>(status->code) : StatusCode::kUnknown;
  return {code, std::string(to_view(status->message).substr(0, kMaxMessage)), status->flags};
}

template <>
Result<void> read_answer(const berth_status* from, const void*) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  return {};
}

template <>
Result<ContainerInfo> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  return read_info(checked<berth_container_info>(result));
}

template <>
Result<ContainerPage> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  const auto* list = checked<berth_container_list>(result);
  if (list == nullptr || (list->containers == nullptr && list->count != 0)) {
    return malformed("no berth_container_list");
  }
  ContainerPage page;
  page.next_cursor = text(list->next_cursor);
  for (std::uint64_t i = 0; i < list->count; ++i) {
    auto info = read_info(checked<berth_container_info>(list->containers[i]));
    if (!info) return info.error();
    page.containers.push_back(std::move(*info));
  }
  return page;
}

template <>
Result<LogBatch> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!has_result(status, result)) return status;
  const auto* batch = checked<berth_log_batch>(result);
  if (batch == nullptr) return malformed("no berth_log_batch");
  const Released released(batch->bytes_owner);
  if (batch->records == nullptr && batch->count != 0) return malformed("no records");
  LogBatch read;
  read.next_cursor = text(batch->next_cursor);
  read.ended = batch->ended != 0;
  read.records.reserve(batch->count);
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < batch->count; ++i) bytes += to_view(batch->records[i].bytes).size();
  const std::shared_ptr<char[]> copy = std::make_shared_for_overwrite<char[]>(bytes);
  char* to = copy.get();
  for (std::uint64_t i = 0; i < batch->count; ++i) {
    const berth_log_record& record = batch->records[i];
    const std::string_view line = to_view(record.bytes);
    std::copy(line.begin(), line.end(), to);
    read.records.push_back({read_stream(record.stream),
                            (record.flags & BERTH_LOG_PARTIAL_LINE) != 0,
                            (record.flags & BERTH_LOG_TIME_IS_OURS) != 0, record.time_ns,
                            std::string_view(to, line.size())});
    to += line.size();
  }
  read.text = copy;
  return read;
}

template <>
Result<Capacity> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  const auto* capacity = checked<berth_capacity>(result);
  if (capacity == nullptr) return malformed("no berth_capacity");
  Capacity read;
  read.can_pause = (capacity->features & BERTH_CAPACITY_PAUSE) != 0;
  read.memory_enforced = (capacity->features & BERTH_CAPACITY_MEMORY_ENFORCED) != 0;
  read.cpu_enforced = (capacity->features & BERTH_CAPACITY_CPU_ENFORCED) != 0;
  read.pids_enforced = (capacity->features & BERTH_CAPACITY_PIDS_ENFORCED) != 0;
  read.memory_bytes = capacity->memory_bytes;
  read.memory_free_bytes = capacity->memory_free_bytes;
  read.cpu_millis = capacity->cpu_millis;
  read.containers_max = capacity->containers_max;
  read.detail = text(capacity->detail);
  return read;
}

template <>
Result<ContainerStats> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  const auto* stats = checked<berth_container_stats>(result);
  if (stats == nullptr) return malformed("no berth_container_stats");
  const auto known = [](std::int64_t value) { return value < 0 ? -1 : value; };
  return ContainerStats{known(stats->memory_bytes), known(stats->memory_limit_bytes),
                        known(stats->cpu_ns), known(stats->pids)};
}

template <>
Result<Pairs> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!status.ok()) return status;
  const auto* parameters = checked<berth_container_parameters>(result);
  if (parameters == nullptr) return malformed("no berth_container_parameters");
  return read_pairs(parameters->parameters);
}

template <>
Result<LogPage> read_answer(const berth_status* from, const void* result) {
  Status status = read_status(from);
  if (!has_result(status, result)) return status;
  const auto* page = checked<berth_log_page>(result);
  if (page == nullptr) return malformed("no berth_log_page");
  const Released released(page->bytes_owner);
  if (page->lines == nullptr && page->count != 0) return malformed("no lines");
  LogPage read;
  read.next_cursor = text(page->next_cursor);
  read.partial = status.partial();
  read.lines.reserve(page->count);
  for (std::uint64_t i = 0; i < page->count; ++i) {
    const berth_log_line& line = page->lines[i];
    read.lines.push_back({read_stream(line.stream), line.time_ns, line.sequence, text(line.text)});
  }
  return read;
}

void release_result(CallKind kind, const void* result) noexcept {
  if (kind == CallKind::kReadLogs) {
    if (const auto* batch = checked<berth_log_batch>(result)) Released{batch->bytes_owner};
  } else if (kind == CallKind::kFetch || kind == CallKind::kFollow) {
    if (const auto* page = checked<berth_log_page>(result)) Released{page->bytes_owner};
  }
}

ContainerDied read_died(const berth_container_died& event) {
  return {text(event.id), event.exit_code, event.oom != 0, text(event.reason)};
}

}  // namespace berth::plugin
