// SPDX-License-Identifier: Apache-2.0
// `PluginContainerFactory`: the ContainerFactory over a plugin's berth.container-factory/1 table.
// Thread-safe; valid until the plugin is closed.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "berth/plugin/container_factory.h"
#include "berth/plugin/container_optional.h"
#include "plugin/call.hpp"
#include "plugin/container_factory.hpp"

namespace berth::plugin {

class PluginContainerFactory final : public ContainerFactory {
 public:
  // `table` is complete (see check_table) and valid as long as `runtime`. `owner` owns
  // this and `runtime`.
  PluginContainerFactory(PluginRuntime& runtime, void* self, const berth_container_factory& table,
                         std::weak_ptr<const void> owner);

  // Empty, or what is missing in a table that claims to be of version 1.
  static std::string check_table(const berth_container_factory& table);
  static std::string check_table(const berth_resize& table);
  static std::string check_table(const berth_stats& table);

  // Its berth.resize/1 and berth.stats/1, if it has them. Before the first call.
  void set_resize(const berth_resize& table) { resize_ = &table; }
  void set_stats(const berth_stats& table) { stats_ = &table; }

  Awaitable<void> start(DiedHandler on_died, SteadyTime deadline) override;
  Awaitable<ContainerInfo> create(CreateRequest request, SteadyTime deadline) override;
  std::map<std::string, std::string> progress() const override;
  Awaitable<void> destroy(std::string id, SteadyTime deadline) override;
  Awaitable<void> pause(std::string id, SteadyTime deadline) override;
  Awaitable<void> resume(std::string id, SteadyTime deadline) override;
  Awaitable<std::vector<ContainerInfo>> list(SteadyTime deadline) override;
  Awaitable<LogBatch> read_logs(std::string id, std::string cursor, std::uint64_t max_bytes,
                                SteadyTime deadline) override;
  Awaitable<Capacity> capacity(SteadyTime deadline) override;
  bool can_resize() const override { return resize_ != nullptr; }
  Awaitable<void> resize(std::string id, ResizeRequest request, SteadyTime deadline) override;
  bool has_stats() const override { return stats_ != nullptr; }
  Awaitable<ContainerStats> stats(std::string id, SteadyTime deadline) override;
  Awaitable<void> drain(SteadyTime deadline) override;
  Awaitable<void> stop(StopMode mode, SteadyTime deadline) override;

 private:
  Awaitable<ContainerPage> list_page(const std::string& cursor, SteadyTime deadline);
  static void container_died(void* context, const berth_container_died* event) noexcept;
  static void create_progress(void* context, berth_str name, berth_str text) noexcept;

  const berth_container_factory& table_;
  const berth_resize* resize_ = nullptr;
  const berth_stats* stats_ = nullptr;
  const Interface interface_;
  const berth_container_events events_;
  mutable std::mutex mutex_;
  std::shared_ptr<const DiedHandler> on_died_;  // guarded by mutex_; null: nobody listens
  // Guarded by mutex_. Of the creates that are under way: name and what it waits for, "" at first.
  std::map<std::string, std::string> creates_;
};

}  // namespace berth::plugin
