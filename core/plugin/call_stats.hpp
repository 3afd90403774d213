// SPDX-License-Identifier: Apache-2.0
// `CallStats`: what the host measures of one plugin at the boundary, in every call:
//
//   berth_plugin_call_seconds{plugin,call,code}         from the call until its answer
//   berth_plugin_blocked_calls_total{plugin,call}       calls that returned only after kBlocked
//   berth_plugin_late_answers_total{plugin,call}        answers after the host had given up
//   berth_plugin_repeated_answers_total{plugin,call}    second answers ("unknown": ids never
//   issued) berth_plugin_exceptions_total{plugin,call}          exceptions that crossed the
//   boundary
//
// Misbehaviour is also logged, each sort at most once in kLogEvery. Thread-safe; `answered` takes
// no lock of ours after the first use of a series.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "plugin/call_kind.hpp"

namespace berth::plugin {

class CallStats {
 public:
  static constexpr std::chrono::milliseconds kBlocked{50};
  static constexpr std::chrono::seconds kLogEvery{10};

  CallStats(std::string plugin, Metrics& metrics, const Clock& clock);

  void answered(CallKind kind, StatusCode code, std::chrono::nanoseconds took);
  // Call it with every call's own duration.
  void returned(std::string_view call, std::chrono::nanoseconds took) {
    if (took >= kBlocked) blocked(call, took);
  }
  void late(CallKind kind);
  void repeated(std::string_view call);
  void threw(std::string_view call);

  const std::string& plugin() const { return plugin_; }

 private:
  enum Sort { kBlockedSort, kLateSort, kRepeatedSort, kThrewSort, kSorts };
  static constexpr std::size_t kCodes = 17;

  void blocked(std::string_view call, std::chrono::nanoseconds took);
  Counter& counter(const std::string& name, const std::string& help, std::string_view call);
  void complain(Sort sort, std::string_view call, const std::string& message);

  const std::string plugin_;
  Metrics& metrics_;
  const Clock& clock_;
  std::array<std::atomic<Histogram*>, kCallKinds * kCodes> seconds_{};
  std::array<std::atomic<std::int64_t>, kSorts> last_logged_ns_{};
  std::array<std::atomic<std::uint64_t>, kSorts> unlogged_{};
};

}  // namespace berth::plugin
