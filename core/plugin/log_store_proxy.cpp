// SPDX-License-Identifier: Apache-2.0
#include "plugin/log_store_proxy.hpp"

#include <chrono>
#include <utility>

#include "plugin/loader_hop.hpp"

namespace berth::plugin {
namespace {

constexpr std::chrono::milliseconds kFollowMargin{500};

berth_activation_ref wire_activation(const ActivationRef& a) {
  return {sizeof(berth_activation_ref),
          0,
          to_wire(a.activation_id),
          to_wire(a.namespace_name),
          to_wire(a.namespace_id),
          to_wire(a.action),
          to_wire(a.container_id),
          a.start_ms,
          a.end_ms};
}

void call_append(const berth_log_store& table, void* self, berth_op op, std::uint64_t deadline_ns,
                 const ActivationRef& activation, const std::vector<LogLine>& lines, bool final) {
  const berth_activation_ref ref = wire_activation(activation);
  std::vector<berth_log_line> wire;
  wire.reserve(lines.size());
  for (const LogLine& line : lines) {
    wire.push_back({static_cast<std::int32_t>(line.stream), 0, line.time_ns, line.sequence,
                    to_wire(line.text)});
  }
  table.append(self, op, deadline_ns, &ref, wire.data(), wire.size(), final ? 1 : 0);
}

}  // namespace

PluginLogStore::PluginLogStore(PluginRuntime& runtime, void* self, const berth_log_store& table,
                               bool out_of_band, std::weak_ptr<const void> owner)
    : table_(table),
      interface_{runtime, self, table.cancel, std::move(owner)},
      out_of_band_(out_of_band) {}

std::string PluginLogStore::check_table(const berth_log_store& t) {
  if (t.struct_size < sizeof(berth_log_store)) return "its table is too short";
  const bool whole = t.start != nullptr && t.container_parameters != nullptr &&
                     t.append != nullptr && t.fetch != nullptr && t.drain != nullptr &&
                     t.stop != nullptr && t.cancel != nullptr;
  return whole ? "" : "a function of its table is null";
}

Awaitable<void> PluginLogStore::start(SteadyTime deadline) {
  co_await to_loader(interface_.runtime.loader);
  Call<void> call(interface_, CallKind::kLogStart, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.start(interface_.self, op, deadline_ns);
  });
  co_await call.wait();  // also when done: it leads back from the loader thread
  co_return call.take();
}

Awaitable<Pairs> PluginLogStore::container_parameters(SteadyTime deadline) {
  Call<Pairs> call(interface_, CallKind::kContainerParameters, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.container_parameters(interface_.self, op, deadline_ns);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginLogStore::append(ActivationRef activation, std::vector<LogLine> lines,
                                       bool final, SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kAppend, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    call_append(table_, interface_.self, op, deadline_ns, activation, lines, final);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<LogPage> PluginLogStore::fetch(ActivationRef activation, std::string cursor,
                                         std::uint64_t max_bytes, SteadyTime deadline) {
  Call<LogPage> call(interface_, CallKind::kFetch, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    const berth_activation_ref ref = wire_activation(activation);
    table_.fetch(interface_.self, op, deadline_ns, &ref, to_wire(cursor), max_bytes);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<LogPage> PluginLogStore::follow(ActivationRef activation, std::string cursor,
                                          std::uint64_t max_bytes, SteadyTime deadline) {
  if (follow_ == nullptr) co_return sdk::unimplemented("this log store cannot follow logs");
  Call<LogPage> call(interface_, CallKind::kFollow, deadline);
  // The plugin answers before the host gives up: an answer without lines has a cursor.
  call.set_plugin_deadline(deadline - kFollowMargin);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    const berth_activation_ref ref = wire_activation(activation);
    follow_->follow(interface_.self, op, deadline_ns, &ref, to_wire(cursor), max_bytes);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginLogStore::drain(SteadyTime deadline) {
  Call<void> call(interface_, CallKind::kLogDrain, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.drain(interface_.self, op, deadline_ns);
  });
  if (!call.done()) co_await call.wait();
  co_return call.take();
}

Awaitable<void> PluginLogStore::stop(SteadyTime deadline) {
  co_await to_loader(interface_.runtime.loader);
  Call<void> call(interface_, CallKind::kLogStop, deadline);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table_.stop(interface_.self, op, deadline_ns);
  });
  co_await call.wait();
  co_return call.take();
}

}  // namespace berth::plugin
