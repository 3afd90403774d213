// SPDX-License-Identifier: Apache-2.0
#include "plugin/call_stats.hpp"

#include <fmt/format.h>

#include "base/log.hpp"

namespace berth::plugin {
namespace {

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

CallStats::CallStats(std::string plugin, Metrics& metrics, const Clock& clock)
    : plugin_(std::move(plugin)), metrics_(metrics), clock_(clock) {}

void CallStats::answered(CallKind kind, StatusCode code, std::chrono::nanoseconds took) {
  const std::size_t index =
      static_cast<std::size_t>(kind) * kCodes + static_cast<std::size_t>(code);
  Histogram* histogram = seconds_[index].load(std::memory_order_acquire);
  if (histogram == nullptr) {
    histogram = &metrics_.histogram("berth_plugin_call_seconds",
                                    "Time from a call of a plugin until its answer",
                                    {{"plugin", plugin_},
                                     {"call", std::string(to_string(kind))},
                                     {"code", std::string(sdk::to_string(code))}});
    seconds_[index].store(histogram, std::memory_order_release);
  }
  histogram->observe(seconds(took));
}

Counter& CallStats::counter(const std::string& name, const std::string& help,
                            std::string_view call) {
  return metrics_.counter(name, help, {{"plugin", plugin_}, {"call", std::string(call)}});
}

void CallStats::blocked(std::string_view call, std::chrono::nanoseconds took) {
  counter("berth_plugin_blocked_calls_total", "Calls of a plugin that blocked the host's thread",
          call)
      .add();
  complain(kBlockedSort, call,
           fmt::format("the plugin blocked the host's thread for {} ms",
                       std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
}

void CallStats::late(CallKind kind) {
  counter("berth_plugin_late_answers_total", "Answers of a plugin after the host had given up",
          to_string(kind))
      .add();
  complain(kLateSort, to_string(kind), "the plugin answered after the host had given up");
}

void CallStats::repeated(std::string_view call) {
  counter("berth_plugin_repeated_answers_total",
          "Answers of a plugin to operations that were answered already or never given", call)
      .add();
  complain(kRepeatedSort, call, "the plugin answered an operation that was not open");
}

void CallStats::threw(std::string_view call) {
  counter("berth_plugin_exceptions_total", "Exceptions of a plugin that crossed the boundary", call)
      .add();
  complain(kThrewSort, call, "the plugin let an exception cross the boundary");
}

void CallStats::complain(Sort sort, std::string_view call, const std::string& message) {
  const auto now = static_cast<std::int64_t>(monotonic_ns(clock_.steady_now()));
  std::int64_t last = last_logged_ns_[sort].load();
  const bool due =
      last == 0 ||
      now - last >= std::chrono::duration_cast<std::chrono::nanoseconds>(kLogEvery).count();
  if (!due || !last_logged_ns_[sort].compare_exchange_strong(last, now)) {
    unlogged_[sort].fetch_add(1);
    return;
  }
  const std::string more = fmt::to_string(unlogged_[sort].exchange(0));
  log::warn("plugin." + plugin_, message, {{"call", call}, {"unlogged_before", more}});
}

}  // namespace berth::plugin
