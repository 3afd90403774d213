// SPDX-License-Identifier: Apache-2.0
#include "plugin/container_factory_proxy.hpp"

#include <algorithm>
#include <boost/asio/bind_executor.hpp>
#include <chrono>
#include <exception>
#include <unordered_set>
#include <utility>

#include "base/log.hpp"
#include "plugin/loader_hop.hpp"

namespace berth::plugin {
namespace {

constexpr std::uint32_t kListPage = 1000;
constexpr std::size_t kLongestProgress = 1000;

// Not in the coroutine, whose frame would hold all of it while it waits.
void call_create(const berth_container_factory& table, void* self, berth_op op,
                 std::uint64_t deadline_ns, const CreateRequest& request) {
  const WirePairs environment(request.environment);
  const WirePairs labels(request.labels);
  const WirePairs log_parameters(request.log_parameters);
  const berth_create_request wire{sizeof(berth_create_request),
                                  request.user_provided_image ? 1u : 0u,
                                  to_wire(request.transaction_id),
                                  to_wire(request.name),
                                  to_wire(request.kind),
                                  to_wire(request.image),
                                  request.memory_bytes,
                                  request.cpu_shares,
                                  request.cpu_quota_millis,
                                  request.pids_limit,
                                  request.concurrency,
                                  environment.get(),
                                  labels.get(),
                                  log_parameters.get()};
  table.create(self, op, deadline_ns, &wire);
}

// A long poll ends OK and empty at its deadline: the plugin needs time to say so.
SteadyTime sooner(SteadyTime deadline, SteadyTime now) {
  if (deadline == SteadyTime::max()) return deadline;
  const auto left = deadline - now;
  return deadline - std::min<SteadyTime::duration>(left / 10, std::chrono::milliseconds(100));
}

}  // namespace

PluginContainerFactory::PluginContainerFactory(PluginRuntime& runtime, void* self,
                                               const berth_container_factory& table,
                                               std::weak_ptr<const void> owner)
    : table_(table),
      interface_{runtime, self, table.cancel, std::move(owner)},
      events_{sizeof(berth_container_events), 0, this, &container_died, &create_progress} {}

std::string PluginContainerFactory::check_table(const berth_container_factory& t) {
  if (t.struct_size < sizeof(berth_container_factory)) return "its table is too short";
  const bool whole = t.start != nullptr && t.create != nullptr && t.destroy != nullptr &&
                     t.pause != nullptr && t.resume != nullptr && t.list != nullptr &&
                     t.read_logs != nullptr && t.capacity != nullptr && t.drain != nullptr &&
                     t.stop != nullptr && t.cancel != nullptr;
  return whole ? "" : "a function of its table is null";
}

std::string PluginContainerFactory::check_table(const berth_resize& t) {
  return BERTH_HAS(&t, resize) ? "" : "its table has no resize";
}
std::string PluginContainerFactory::check_table(const berth_stats& t) {
  return BERTH_HAS(&t, stats) ? "" : "its table has no stats";
}

void PluginContainerFactory::container_died(void* context,
                                            const berth_container_died* event) noexcept {
  auto* self = static_cast<PluginContainerFactory*>(context);
  if (event == nullptr || event->struct_size < sizeof(berth_container_died)) return;
  std::shared_ptr<const DiedHandler> handler;
  {
    const std::lock_guard lock(self->mutex_);
    handler = self->on_died_;
  }
  if (handler == nullptr) return;
  try {
    (*handler)(read_died(*event));
  } catch (const std::exception& error) {
    log::error("plugin", "the handler of container_died threw", {{"error", error.what()}});
  }
}

void PluginContainerFactory::create_progress(void* context, berth_str name,
                                             berth_str text) noexcept {
  auto* self = static_cast<PluginContainerFactory*>(context);
  try {
    std::string waits = std::string(to_view(text).substr(0, kLongestProgress));
    const std::lock_guard lock(self->mutex_);
    const auto found = self->creates_.find(std::string(to_view(name)));
    if (found != self->creates_.end()) found->second = std::move(waits);
  } catch (const std::exception& error) {
    log::error("plugin", "create_progress threw", {{"error", error.what()}});
  }
}

std::map<std::string, std::string> PluginContainerFactory::progress() const {
  std::map<std::string, std::string> waiting;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, text] : creates_) {
    if (!text.empty()) waiting.emplace(name, text);
  }
  return waiting;
}

Awaitable<void> PluginContainerFactory::start(DiedHandler on_died, SteadyTime deadline) {
  if (on_died) {
    const std::lock_guard lock(mutex_);
    on_died_ = std::make_shared<const DiedHandler>(std::move(on_died));
  }
  co_await to_loader(interface_.runtime.loader);
  Call<void> call(interface_, CallKind::kStart, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.start(interface_.self, op, deadline_ns, &events_);
  });
  co_await call.wait();  // also when done: it leads back from the loader thread
  co_return call.take();
}

Awaitable<ContainerInfo> PluginContainerFactory::create(CreateRequest request,
                                                        SteadyTime deadline) {
  {
    const std::lock_guard lock(mutex_);
    creates_.emplace(request.name, "");
  }
  Call<ContainerInfo> call(interface_, CallKind::kCreate, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    call_create(table_, interface_.self, op, deadline_ns, request);
  });
  if (!call.done()) co_await call.wait();
  {
    const std::lock_guard lock(mutex_);
    creates_.erase(request.name);
  }
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::destroy(std::string id, SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kDestroy, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.destroy(interface_.self, op, deadline_ns, to_wire(id));
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::pause(std::string id, SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kPause, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.pause(interface_.self, op, deadline_ns, to_wire(id));
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::resume(std::string id, SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kResume, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.resume(interface_.self, op, deadline_ns, to_wire(id));
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<ContainerPage> PluginContainerFactory::list_page(const std::string& cursor,
                                                           SteadyTime deadline) {
  Call<ContainerPage> call(interface_, CallKind::kList, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.list(interface_.self, op, deadline_ns, to_wire(cursor), kListPage);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<std::vector<ContainerInfo>> PluginContainerFactory::list(SteadyTime deadline) {
  std::vector<ContainerInfo> all;
  std::unordered_set<std::string> seen;  // a plugin whose cursors go round would list for ever
  std::string cursor;
  for (;;) {
    Result<ContainerPage> page = co_await list_page(cursor, deadline);
    if (!page) co_return page.error();
    for (ContainerInfo& info : page->containers) all.push_back(std::move(info));
    if (page->next_cursor.empty()) co_return all;
    if (!seen.insert(page->next_cursor).second) {
      co_return sdk::internal("the plugin's list gave the same cursor twice");
    }
    cursor = std::move(page->next_cursor);
  }
}

Awaitable<LogBatch> PluginContainerFactory::read_logs(std::string id, std::string cursor,
                                                      std::uint64_t max_bytes,
                                                      SteadyTime deadline) {
  Call<LogBatch> call(interface_, CallKind::kReadLogs, deadline);
  call.set_plugin_deadline(sooner(deadline, interface_.runtime.clock.steady_now()));
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.read_logs(interface_.self, op, deadline_ns, to_wire(id), to_wire(cursor), max_bytes);
  });
  if (!call.done()) co_await call.wait();
  Result<LogBatch> batch = call.take();
  if (!batch && call.expired()) co_return LogBatch{{}, std::move(cursor), false};
  co_return batch;
}

Awaitable<Capacity> PluginContainerFactory::capacity(SteadyTime deadline) {
  Call<Capacity> call(interface_, CallKind::kCapacity, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.capacity(interface_.self, op, deadline_ns);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::resize(std::string id, ResizeRequest request,
                                               SteadyTime deadline) {
  if (resize_ == nullptr) co_return co_await ContainerFactory::resize({}, {}, deadline);
  Call<void> call(interface_, CallKind::kResize, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    const berth_resize_request wire{sizeof(berth_resize_request), request.cpu_shares,
                                    request.memory_bytes, request.cpu_quota_millis, 0};
    resize_->resize(interface_.self, op, deadline_ns, to_wire(id), &wire);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<ContainerStats> PluginContainerFactory::stats(std::string id, SteadyTime deadline) {
  if (stats_ == nullptr) co_return co_await ContainerFactory::stats({}, deadline);
  Call<ContainerStats> call(interface_, CallKind::kStats, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    stats_->stats(interface_.self, op, deadline_ns, to_wire(id));
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::drain(SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kDrain, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.drain(interface_.self, op, deadline_ns);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginContainerFactory::stop(StopMode mode, SteadyTime deadline) {
  co_await to_loader(interface_.runtime.loader);
  Call<void> call(interface_, CallKind::kStop, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.stop(interface_.self, op, deadline_ns, static_cast<std::int32_t>(mode));
  });
  co_await call.wait();
  {
    const std::lock_guard lock(mutex_);
    on_died_.reset();  // whoever listened may be gone before the plugin is closed
  }
  co_return call.take();
}

}  // namespace berth::plugin
