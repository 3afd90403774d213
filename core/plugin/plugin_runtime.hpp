// SPDX-License-Identifier: Apache-2.0
// `PluginRuntime`: what every call of one opened plugin shares: its operation table, gate, house
// thread, measurements and host services. Internal to core/plugin; PluginInstance owns it.
//
// Thread-safe but for `shut_down`, which the loader thread calls once.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "berth/plugin/container_factory.h"
#include "plugin/call_stats.hpp"
#include "plugin/gate.hpp"
#include "plugin/host_services.hpp"
#include "plugin/house_thread.hpp"
#include "plugin/operation_table.hpp"
#include "store/plugin_state.hpp"

namespace berth::plugin {

class PluginRuntime final : public StrayAnswers {
 public:
  PluginRuntime(const std::string& plugin, const Clock& clock, Metrics& metrics,
                store::PluginStateStore* state, boost::asio::any_io_executor loader);
  ~PluginRuntime();

  const std::string& plugin() const { return stats.plugin(); }

  // Calls `cancel(self, op)` on the house thread, unless the plugin is closed by then.
  void cancel_later(void (*cancel)(void*, berth_op), void* self, berth_op op);

  // A container whose create succeeded after the host had given up is destroyed through this table.
  void set_factory(const berth_container_factory* factory, void* self);

  // Refuses calls and waits for those inside the plugin. Before the plugin's `close`.
  void close_gate() { gate.close(); }
  // After the plugin's `close`: whatever it left unanswered fails, the house thread ends.
  void shut_down();

  void late(CallKind kind, const berth_status* status, const void* result) noexcept override;
  void again(CallKind kind, const berth_status* status, const void* result) noexcept override;
  void unknown(berth_op op) noexcept override;

  const Clock& clock;
  CallStats stats;
  OperationTable table;
  Gate gate;
  HouseThread house;
  HostServices services;
  const boost::asio::any_io_executor loader;  // empty: start and stop are called where they stand

 private:
  void destroy_late(const std::string& id);

  std::atomic<const berth_container_factory*> factory_{nullptr};
  void* self_ = nullptr;
};

}  // namespace berth::plugin
