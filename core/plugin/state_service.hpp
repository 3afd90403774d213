// SPDX-License-Identifier: Apache-2.0
// `StateService`: berth.state/1 for one plugin, over the store's PluginStateStore; results come on
// the plugin's house thread. Thread-safe; contract in berth/plugin/host.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "berth/plugin/host.h"
#include "plugin/call_stats.hpp"
#include "plugin/house_thread.hpp"
#include "store/plugin_state.hpp"

namespace berth::plugin {

class StateService {
 public:
  static constexpr std::size_t kMaxKey = 512;
  static constexpr std::size_t kMaxValue = std::size_t{1} << 20;
  static constexpr std::uint32_t kMaxPage = 1000;

  // `store` outlives this.
  StateService(std::string plugin, store::PluginStateStore& store, HouseThread& house,
               CallStats& stats);
  ~StateService();
  StateService(const StateService&) = delete;
  StateService& operator=(const StateService&) = delete;

  void get(berth_str key, berth_state_done done, void* context);
  void put(berth_str key, berth_str value, std::uint64_t expected_version, berth_state_done done,
           void* context);
  void remove(berth_str key, std::uint64_t expected_version, berth_state_done done, void* context);
  void list(berth_str prefix, berth_str cursor, std::uint32_t limit, berth_state_done done,
            void* context);
  // Waits until the store answered everything. From now on nothing is told to the plugin, whose
  // code may be gone.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::plugin
