// SPDX-License-Identifier: Apache-2.0
// `PluginLogStore`: the LogStore over a plugin's berth.log-store/1 table. Thread-safe; valid until
// the plugin is closed.
#pragma once

#include <memory>

#include "berth/plugin/log_store.h"
#include "plugin/call.hpp"
#include "plugin/log_store.hpp"

namespace berth::plugin {

class PluginLogStore final : public LogStore {
 public:
  // `table` is complete (see check_table) and valid as long as `runtime`. `owner` owns
  // this and `runtime`.
  PluginLogStore(PluginRuntime& runtime, void* self, const berth_log_store& table, bool out_of_band,
                 std::weak_ptr<const void> owner);

  // Its berth.log-follow/1, if it has one. Before the first call.
  void set_follow(const berth_log_follow* table) { follow_ = table; }

  // Empty, or what is missing in a table that claims to be of version 1.
  static std::string check_table(const berth_log_store& table);

  Awaitable<void> start(SteadyTime deadline) override;
  bool out_of_band() const override { return out_of_band_; }
  Awaitable<Pairs> container_parameters(SteadyTime deadline) override;
  Awaitable<void> append(ActivationRef activation, std::vector<LogLine> lines, bool final,
                         SteadyTime deadline) override;
  Awaitable<LogPage> fetch(ActivationRef activation, std::string cursor, std::uint64_t max_bytes,
                           SteadyTime deadline) override;
  // What the engine ships by itself, the store does not see come.
  bool can_follow() const override { return follow_ != nullptr && !out_of_band_; }
  Awaitable<LogPage> follow(ActivationRef activation, std::string cursor, std::uint64_t max_bytes,
                            SteadyTime deadline) override;
  Awaitable<void> drain(SteadyTime deadline) override;
  Awaitable<void> stop(SteadyTime deadline) override;

 private:
  const berth_log_store& table_;
  const Interface interface_;
  const bool out_of_band_;
  const berth_log_follow* follow_ = nullptr;
};

}  // namespace berth::plugin
