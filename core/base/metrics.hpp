// SPDX-License-Identifier: Apache-2.0
// Counters, gauges and histograms, exposed as Prometheus text. Thread-safe; making a series takes a
// lock (keep the reference, it lives as long as the Metrics), using one does not.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace berth {

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double value = 1) = 0;  // value >= 0
  virtual double value() const = 0;
};
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double value) = 0;
  virtual double value() const = 0;
};
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;  // in the unit of the name's suffix
};

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Finds or makes a series; the same name and labels give the same object. A name that is in use
  // for another kind, or is no Prometheus name, is a bug: std::invalid_argument.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // Empty `buckets`: 50 us to 5 min for _seconds, powers of 4 from 256 B for _bytes.
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                       const std::vector<double>& buckets = {});

  // The text exposition, format 0.0.4.
  std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth
