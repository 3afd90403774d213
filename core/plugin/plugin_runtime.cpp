// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_runtime.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "plugin/call.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {
namespace {

constexpr std::chrono::seconds kDestroyLate{30};

boost::asio::awaitable<void> destroy_container(PluginRuntime& runtime,
                                               const berth_container_factory* table, void* self,
                                               std::string id) {
  const Interface interface {
    runtime, self, table->cancel, {}
  };
  Call<void> call(interface, CallKind::kDestroy, runtime.clock.steady_now() + kDestroyLate);
  call.invoke([&](berth_op op, std::uint64_t deadline_ns) {
    table->destroy(self, op, deadline_ns, to_wire(id));
  });
  if (!call.done()) co_await call.wait();
  const Result<void> destroyed = call.take();
  const std::string component = "plugin." + runtime.plugin();
  if (destroyed) {
    log::warn(component, "destroyed a container that was created too late", {{"container", id}});
  } else {
    log::error(component, "a container that was created too late may be left behind",
               {{"container", id}, {"error", destroyed.error().to_string()}});
  }
}

}  // namespace

PluginRuntime::PluginRuntime(const std::string& plugin, const Clock& the_clock, Metrics& metrics,
                             store::PluginStateStore* state,
                             boost::asio::any_io_executor the_loader)
    : clock(the_clock),
      stats(plugin, metrics, the_clock),
      table(the_clock, *this),
      house("berth-" + plugin),
      services(plugin, table, house, stats, metrics, state),
      loader(std::move(the_loader)) {}

PluginRuntime::~PluginRuntime() = default;

void PluginRuntime::cancel_later(void (*cancel)(void*, berth_op), void* self, berth_op op) {
  boost::asio::post(house.executor(), [this, cancel, self, op] {
    if (!gate.enter()) return;
    const SteadyTime begun = clock.steady_now();
    try {
      cancel(self, op);
    } catch (...) {
      stats.threw("cancel");
    }
    gate.leave();
    stats.returned("cancel", clock.steady_now() - begun);
  });
}

void PluginRuntime::set_factory(const berth_container_factory* factory, void* self) {
  self_ = self;
  factory_.store(factory);
}

void PluginRuntime::late(CallKind kind, const berth_status* status, const void* result) noexcept {
  stats.late(kind);
  if (kind == CallKind::kCreate) {
    const auto created = read_answer<ContainerInfo>(status, result);
    if (created) destroy_late(created->id);
  } else {
    release_result(kind, result);
  }
}

void PluginRuntime::again(CallKind kind, const berth_status*, const void* result) noexcept {
  stats.repeated(to_string(kind));
  release_result(kind, result);
}

void PluginRuntime::unknown(berth_op) noexcept {
  stats.repeated("unknown");
}

// On the house thread: `complete` never re-enters the plugin.
void PluginRuntime::destroy_late(const std::string& id) {
  const berth_container_factory* factory = factory_.load();
  if (factory == nullptr) return;
  boost::asio::co_spawn(house.executor(), destroy_container(*this, factory, self_, id),
                        boost::asio::detached);
}

void PluginRuntime::shut_down() {
  table.give_up_all(sdk::unavailable("the plugin '" + plugin() + "' was closed"));
  services.stop();
  house.stop();
}

}  // namespace berth::plugin
