// SPDX-License-Identifier: Apache-2.0
// `TimerService`: berth.timer/1 for one plugin, on its house thread. Thread-safe; contract in
// berth/plugin/host.h.
#pragma once

#include <cstdint>
#include <memory>

#include "berth/plugin/host.h"
#include "plugin/call_stats.hpp"
#include "plugin/house_thread.hpp"

namespace berth::plugin {

class TimerService {
 public:
  TimerService(HouseThread& house, CallStats& stats);
  ~TimerService();
  TimerService(const TimerService&) = delete;
  TimerService& operator=(const TimerService&) = delete;

  std::uint64_t start(std::uint64_t due_ns, berth_timer_fired fired, void* context);
  bool cancel(std::uint64_t id);
  // No timer starts or fires any more. Then stop the house thread, then destroy this.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::plugin
