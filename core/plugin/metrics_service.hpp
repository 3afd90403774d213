// SPDX-License-Identifier: Apache-2.0
// `MetricsService`: berth.metrics/1 for one plugin: its series, named berth_plugin_<plugin>_<name>,
// at most kMaxSeries of them so that a runaway label cannot fill /metrics. Thread-safe; `record`
// takes no lock of ours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <variant>

#include "base/metrics.hpp"
#include "berth/plugin/host.h"

namespace berth::plugin {

class MetricsService {
 public:
  static constexpr std::size_t kMaxSeries = 256;

  // `metrics` outlives this.
  MetricsService(const std::string& plugin, Metrics& metrics);

  // 0: refused, and logged once for each reason.
  std::uint64_t series(std::int32_t kind, berth_str name, berth_str help, berth_pairs labels);
  void record(std::uint64_t id, double value) noexcept;

 private:
  using Series = std::variant<Counter*, Gauge*, Histogram*>;

  std::uint64_t refuse(bool& told, const std::string& why);

  const std::string plugin_;
  const std::string prefix_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> ids_;  // by kind, name and labels; guarded by mutex_
  bool told_bad_ = false;                     // guarded by mutex_
  bool told_full_ = false;                    // guarded by mutex_
  std::array<Series, kMaxSeries> series_;     // written under mutex_ before count_ grows
  std::atomic<std::size_t> count_{0};
};

}  // namespace berth::plugin
