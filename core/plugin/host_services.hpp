// SPDX-License-Identifier: Apache-2.0
// `HostServices`: the berth_host that one plugin is given, with the services behind it:
// berth.log/1, berth.metrics/1, berth.timer/1, and berth.state/1 where there is a store. Its
// functions are [any-thread], as berth/plugin/host.h says.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.hpp"
#include "berth/plugin/host.h"
#include "plugin/call_stats.hpp"
#include "plugin/house_thread.hpp"
#include "plugin/operation_table.hpp"
#include "store/plugin_state.hpp"

namespace berth::plugin {

class HostServices {
 public:
  // All outlive this. `state` null: no berth.state/1.
  HostServices(const std::string& plugin, OperationTable& table, HouseThread& house,
               CallStats& stats, Metrics& metrics, store::PluginStateStore* state);
  ~HostServices();
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  const berth_host* host() const;
  bool offers(std::string_view service_id) const;

  // Between the two, on the loader thread, set_error has effect; the second returns its text.
  void begin_open();
  std::string end_open();

  // After the plugin's `close`: nothing is told to it any more. Then stop the house thread.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::plugin
