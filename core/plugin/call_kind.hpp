// SPDX-License-Identifier: Apache-2.0
// Which call of which interface an operation came from: for metrics, logs, and for knowing what a
// completion's result points to.
#pragma once

#include <cstdint>
#include <string_view>

namespace berth::plugin {

// Never 0, so that no operation's id is 0.
enum class CallKind : std::uint8_t {
  kStart = 1,
  kCreate,
  kDestroy,
  kPause,
  kResume,
  kList,
  kReadLogs,
  kCapacity,
  kDrain,
  kStop,
  kLogStart,
  kContainerParameters,
  kAppend,
  kFetch,
  kFollow,
  kLogDrain,
  kLogStop,
  kResize,
  kStats,
};
inline constexpr std::size_t kCallKinds = 20;

// The metrics' label, e.g. "create", "log_start".
constexpr std::string_view to_string(CallKind kind) {
  switch (kind) {
    case CallKind::kStart: return "start";
    case CallKind::kCreate: return "create";
    case CallKind::kDestroy: return "destroy";
    case CallKind::kPause: return "pause";
    case CallKind::kResume: return "resume";
    case CallKind::kList: return "list";
    case CallKind::kReadLogs: return "read_logs";
    case CallKind::kCapacity: return "capacity";
    case CallKind::kDrain: return "drain";
    case CallKind::kStop: return "stop";
    case CallKind::kLogStart: return "log_start";
    case CallKind::kContainerParameters: return "container_parameters";
    case CallKind::kAppend: return "append";
    case CallKind::kFetch: return "fetch";
    case CallKind::kFollow: return "follow";
    case CallKind::kLogDrain: return "log_drain";
    case CallKind::kLogStop: return "log_stop";
    case CallKind::kResize: return "resize";
    case CallKind::kStats: return "stats";
  }
  return "unknown";
}

}  // namespace berth::plugin
