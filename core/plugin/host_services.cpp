// SPDX-License-Identifier: Apache-2.0
#include "plugin/host_services.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "base/log.hpp"
#include "plugin/metrics_service.hpp"
#include "plugin/state_service.hpp"
#include "plugin/timer_service.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {
namespace {

constexpr std::size_t kMaxLogText = 8192;
constexpr std::size_t kMaxLogFields = 32;

std::string_view cut(berth_str text) {
  return to_view(text).substr(0, kMaxLogText);
}

std::int32_t minimum_log_level() {
  if (log::enabled(log::Level::kDebug)) return BERTH_LOG_DEBUG;
  if (log::enabled(log::Level::kInfo)) return BERTH_LOG_INFO;
  return log::enabled(log::Level::kWarn) ? BERTH_LOG_WARN : BERTH_LOG_ERROR;
}

}  // namespace

struct HostServices::Impl {
  Impl(const std::string& plugin, OperationTable& operations, HouseThread& house, CallStats& stats,
       Metrics& berth_metrics, store::PluginStateStore* store)
      : component("plugin." + plugin),
        table(operations),
        timers(house, stats),
        metrics(plugin, berth_metrics) {
    if (store != nullptr) state.emplace(plugin, *store, house, stats);
  }

  const std::string component;
  OperationTable& table;
  TimerService timers;
  MetricsService metrics;
  std::optional<StateService> state;
  bool opening = false;    // loader thread only
  std::string open_error;  // loader thread only

  berth_host host{sizeof(berth_host), BERTH_ABI_MAJOR, BERTH_ABI_MINOR, 0, this,
                  &complete,          &query,          &set_error};
  berth_log_service log_table{sizeof(berth_log_service), minimum_log_level(), &write_log};

  static Impl& self(void* context) { return *static_cast<Impl*>(context); }

  // noexcept: nothing unwinds into a plugin.
  static void complete(void* context, berth_op op, const berth_status* status,
                       const void* result) noexcept {
    self(context).table.complete(op, status, result);
  }

  static void set_error(void* context, berth_str message) noexcept {
    if (self(context).opening) self(context).open_error = cut(message);
  }

  static const void* query(void* context, berth_str service_id) noexcept {
    static constexpr berth_timer_service kTimers{sizeof(berth_timer_service), 0, &start_timer,
                                                 &cancel_timer};
    static constexpr berth_metrics_service kMetrics{sizeof(berth_metrics_service), 0, &make_series,
                                                    &record};
    static constexpr berth_state_service kState{
        sizeof(berth_state_service), 0, &get_state, &put_state, &remove_state, &list_state};
    const std::string_view id = to_view(service_id);
    if (id == BERTH_SERVICE_LOG) return &self(context).log_table;
    if (id == BERTH_SERVICE_TIMER) return &kTimers;
    if (id == BERTH_SERVICE_METRICS) return &kMetrics;
    if (id == BERTH_SERVICE_STATE && self(context).state) return &kState;
    return nullptr;
  }

  static void write_log(void* context, std::int32_t level, berth_str message,
                        berth_pairs fields) noexcept {
    static constexpr log::Level kLevels[] = {log::Level::kDebug, log::Level::kInfo,
                                             log::Level::kWarn, log::Level::kError};
    const log::Level berth_level = kLevels[std::clamp(level, BERTH_LOG_DEBUG, BERTH_LOG_ERROR)];
    if (!log::enabled(berth_level)) return;
    std::vector<log::Field> log_fields;
    const std::uint64_t count = std::min<std::uint64_t>(fields.count, kMaxLogFields);
    for (std::uint64_t i = 0; i < count; ++i) {
      log_fields.emplace_back(cut(fields.data[i].key), cut(fields.data[i].value));
    }
    log::write(berth_level, self(context).component, cut(message), log_fields);
  }

  static berth_timer start_timer(void* context, std::uint64_t due_ns, berth_timer_fired fired,
                                 void* timer_context) noexcept {
    return {self(context).timers.start(due_ns, fired, timer_context)};
  }
  static std::int32_t cancel_timer(void* context, berth_timer timer) noexcept {
    return self(context).timers.cancel(timer.id) ? 1 : 0;
  }

  static berth_metric make_series(void* context, std::int32_t kind, berth_str name, berth_str help,
                                  berth_pairs labels) noexcept {
    return {self(context).metrics.series(kind, name, help, labels)};
  }
  static void record(void* context, berth_metric metric, double value) noexcept {
    self(context).metrics.record(metric.id, value);
  }

  static void get_state(void* context, berth_str key, berth_state_done done,
                        void* done_context) noexcept {
    self(context).state->get(key, done, done_context);
  }
  static void put_state(void* context, berth_str key, berth_str value,
                        std::uint64_t expected_version, berth_state_done done,
                        void* done_context) noexcept {
    self(context).state->put(key, value, expected_version, done, done_context);
  }
  static void remove_state(void* context, berth_str key, std::uint64_t expected_version,
                           berth_state_done done, void* done_context) noexcept {
    self(context).state->remove(key, expected_version, done, done_context);
  }
  static void list_state(void* context, berth_str prefix, berth_str cursor, std::uint32_t limit,
                         berth_state_done done, void* done_context) noexcept {
    self(context).state->list(prefix, cursor, limit, done, done_context);
  }
};

HostServices::HostServices(const std::string& plugin, OperationTable& table, HouseThread& house,
                           CallStats& stats, Metrics& metrics, store::PluginStateStore* state)
    : impl_(std::make_unique<Impl>(plugin, table, house, stats, metrics, state)) {}

HostServices::~HostServices() = default;

const berth_host* HostServices::host() const {
  return &impl_->host;
}

bool HostServices::offers(std::string_view service_id) const {
  return Impl::query(impl_.get(), to_wire(service_id)) != nullptr;
}

void HostServices::begin_open() {
  impl_->opening = true;
  impl_->open_error.clear();
}

std::string HostServices::end_open() {
  impl_->opening = false;
  return std::move(impl_->open_error);
}

void HostServices::stop() {
  impl_->timers.stop();
  if (impl_->state) impl_->state->stop();
}

}  // namespace berth::plugin
