// SPDX-License-Identifier: Apache-2.0
#include "plugin/metrics_service.hpp"

#include <cmath>
#include <exception>
#include <string_view>

#include "base/log.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {
namespace {

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 100 || text[0] < 'a' || text[0] > 'z') return false;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!good) return false;
  }
  return true;
}

std::string prefix_of(std::string plugin) {
  for (char& c : plugin) c = c == '-' ? '_' : c;
  return "berth_plugin_" + plugin + "_";
}

}  // namespace

MetricsService::MetricsService(const std::string& plugin, Metrics& metrics)
    : plugin_(plugin), prefix_(prefix_of(plugin)), metrics_(metrics) {}

std::uint64_t MetricsService::refuse(bool& told, const std::string& why) {
  if (!told) log::warn("plugin." + plugin_, "metric refused: " + why);
  told = true;
  return 0;
}

std::uint64_t MetricsService::series(std::int32_t kind, berth_str name, berth_str help,
                                     berth_pairs labels) {
  const std::string full_name = prefix_ + std::string(to_view(name));
  std::string key = std::to_string(kind) + '\0' + full_name;
  Metrics::Labels label_map;
  bool good = is_name(to_view(name)) && labels.count <= 16;
  for (std::uint64_t i = 0; good && i < labels.count; ++i) {
    good = is_name(to_view(labels.data[i].key));
    label_map.emplace(to_view(labels.data[i].key), to_view(labels.data[i].value));
  }
  for (const auto& [label, value] : label_map) key.append(1, '\0').append(label + '=' + value);

  const std::lock_guard lock(mutex_);
  if (!good)
    return refuse(told_bad_, "'" + std::string(to_view(name)) + "' or a label's name is bad");
  if (const auto known = ids_.find(key); known != ids_.end()) return known->second;
  const std::size_t index = count_.load();
  if (index == kMaxSeries) {
    return refuse(told_full_, "a plugin may have " + std::to_string(kMaxSeries) + " series");
  }
  const std::string help_text(to_view(help));
  try {
    switch (kind) {
      case BERTH_METRIC_COUNTER:
        series_[index] = &metrics_.counter(full_name, help_text, label_map);
        break;
      case BERTH_METRIC_GAUGE:
        series_[index] = &metrics_.gauge(full_name, help_text, label_map);
        break;
      case BERTH_METRIC_HISTOGRAM:
        series_[index] = &metrics_.histogram(full_name, help_text, label_map);
        break;
      default: return refuse(told_bad_, "unknown kind " + std::to_string(kind));
    }
  } catch (const std::exception& error) {  // in use for another kind
    return refuse(told_bad_, error.what());
  }
  count_.store(index + 1, std::memory_order_release);
  ids_.emplace(std::move(key), index + 1);
  return index + 1;
}

void MetricsService::record(std::uint64_t id, double value) noexcept {
  if (id == 0 || id > count_.load(std::memory_order_acquire) || !std::isfinite(value)) return;
  const Series& made = series_[id - 1];
  if (auto* const* counter = std::get_if<Counter*>(&made)) {
    if (value >= 0) (*counter)->add(value);
  } else if (auto* const* gauge = std::get_if<Gauge*>(&made)) {
    (*gauge)->set(value);
  } else {
    std::get<Histogram*>(made)->observe(value);
  }
}

}  // namespace berth::plugin
