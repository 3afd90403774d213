// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.hpp"

#include <mutex>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <stdexcept>
#include <typeindex>
#include <unordered_map>

namespace berth {
namespace {

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter& counter) : counter_(counter) {}
  void add(double value) override { counter_.Increment(value); }
  double value() const override { return counter_.Value(); }

 private:
  prometheus::Counter& counter_;
};

class PrometheusGauge final : public Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void set(double value) override { gauge_.Set(value); }
  void add(double value) override { gauge_.Increment(value); }
  double value() const override { return gauge_.Value(); }

 private:
  prometheus::Gauge& gauge_;
};

class PrometheusHistogram final : public Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

std::vector<double> default_buckets(const std::string& name) {
  if (name.ends_with("_bytes")) {
    std::vector<double> buckets;
    for (double edge = 256; edge <= 64.0 * 1024 * 1024; edge *= 4) buckets.push_back(edge);
    return buckets;
  }
  return {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
          0.25,    0.5,    1,       2.5,    5,     10,     30,    60,   120,   300};
}

}  // namespace

struct Metrics::Impl {
  std::mutex mutex;
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Throw};
  // The library has no "find or make" over kinds; the key is name and labels, the value one of
  // ours.
  std::map<std::string, std::type_index> kinds;
  std::map<std::string, void*> families;
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Counter>> counters;
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Gauge>> gauges;
  std::map<std::pair<std::string, Labels>, std::unique_ptr<Histogram>> histograms;

  template <typename Kind>
  prometheus::Family<Kind>& family(const std::string& name, const std::string& help) {
    const auto [kind, inserted] = kinds.try_emplace(name, typeid(Kind));
    if (kind->second != typeid(Kind)) {
      throw std::invalid_argument("metric " + name + " exists as another kind");
    }
    if (!inserted) return *static_cast<prometheus::Family<Kind>*>(families.at(name));
    try {
      prometheus::Family<Kind>* made = nullptr;
      if constexpr (std::is_same_v<Kind, prometheus::Counter>) {
        made = &prometheus::BuildCounter().Name(name).Help(help).Register(registry);
      } else if constexpr (std::is_same_v<Kind, prometheus::Gauge>) {
        made = &prometheus::BuildGauge().Name(name).Help(help).Register(registry);
      } else {
        made = &prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
      }
      families[name] = made;
      return *made;
    } catch (...) {
      kinds.erase(kind);
      throw;
    }
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& family = impl_->family<prometheus::Counter>(name, help);
  auto& slot = impl_->counters[{name, labels}];
  if (!slot) slot = std::make_unique<PrometheusCounter>(family.Add(labels));
  return *slot;
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  const std::lock_guard lock(impl_->mutex);
  auto& family = impl_->family<prometheus::Gauge>(name, help);
  auto& slot = impl_->gauges[{name, labels}];
  if (!slot) slot = std::make_unique<PrometheusGauge>(family.Add(labels));
  return *slot;
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                              const Labels& labels, const std::vector<double>& buckets) {
  const std::lock_guard lock(impl_->mutex);
  auto& family = impl_->family<prometheus::Histogram>(name, help);
  auto& slot = impl_->histograms[{name, labels}];
  if (!slot) {
    slot = std::make_unique<PrometheusHistogram>(
        family.Add(labels, buckets.empty() ? default_buckets(name) : buckets));
  }
  return *slot;
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace berth
