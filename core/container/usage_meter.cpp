// SPDX-License-Identifier: Apache-2.0
#include "container/usage_meter.hpp"

#include <algorithm>
#include <utility>

#include "container/async_call.hpp"

namespace berth::container {

struct UsageMeter::Sums {
  explicit Sums(Metrics& metrics)
      : memory(metrics.gauge("berth_containers_memory_used_bytes",
                             "Memory that all containers together use now")),
        processes(
            metrics.gauge("berth_containers_processes", "Processes and threads in all containers")),
        cpu(metrics.counter("berth_containers_cpu_seconds_total",
                            "CPU time that containers used, as far as it was seen")) {}
  Gauge& memory;
  Gauge& processes;
  Counter& cpu;
};

std::shared_ptr<UsageMeter> UsageMeter::make(UsageDependencies dependencies, UsageOptions options) {
  return std::shared_ptr<UsageMeter>(new UsageMeter(std::move(dependencies), options));
}

UsageMeter::UsageMeter(UsageDependencies dependencies, UsageOptions options)
    : with_(std::move(dependencies)), options_(options), timer_(with_.io) {}

UsageMeter::~UsageMeter() = default;

void UsageMeter::start() {
  if (stopped_ || options_.interval.count() == 0 || !with_.factory.has_stats()) return;
  sums_ = std::make_unique<Sums>(with_.metrics);
  arm();
}

void UsageMeter::stop() {
  stopped_ = true;
  timer_.cancel();
  left_.clear();
}

void UsageMeter::arm() {
  timer_.expires_after(options_.interval);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    self->measure([weak](const Usages& usages) {
      const auto alive = weak.lock();
      if (!alive || alive->stopped_) return;
      alive->publish(usages);
      alive->arm();
    });
  });
}

void UsageMeter::measure(Handler done) {
  if (stopped_ || !with_.factory.has_stats()) return done({});
  handlers_.push_back(std::move(done));
  if (handlers_.size() > 1) return;
  usages_.clear();
  left_ = with_.ids();
  deadline_ = with_.clock.steady_now() + options_.timeout;
  ask_more();
}

void UsageMeter::ask_more() {
  while (!left_.empty() && asked_ < options_.parallel) {
    const std::string id = std::move(left_.back());
    left_.pop_back();
    ++asked_;
    start_call(with_.io, with_.factory.stats(id, deadline_),
               [self = shared_from_this(), id](Result<plugin::ContainerStats> stats) {
                 self->answered(id, std::move(stats));
               });
  }
  if (asked_ > 0) return;
  // A handler may ask again.
  const Usages usages = std::exchange(usages_, {});
  for (const Handler& handler : std::exchange(handlers_, {})) handler(usages);
}

// One that cannot be told of, mostly because it has just ended, is left out.
void UsageMeter::answered(const std::string& id, Result<plugin::ContainerStats> stats) {
  --asked_;
  if (stats) usages_.emplace(id, *stats);
  // People wait for it: those that are left go untold.
  if (with_.clock.steady_now() >= deadline_) left_.clear();
  ask_more();
}

void UsageMeter::publish(const Usages& usages) {
  double memory = 0;
  double processes = 0;
  double cpu = 0;
  std::unordered_map<std::string, std::int64_t> cpu_ns;
  for (const auto& [id, usage] : usages) {
    memory += static_cast<double>(std::max<std::int64_t>(0, usage.memory_bytes));
    processes += static_cast<double>(std::max<std::int64_t>(0, usage.pids));
    if (usage.cpu_ns < 0) continue;
    const auto before = cpu_ns_.find(id);
    const std::int64_t seen = before == cpu_ns_.end() ? 0 : before->second;
    cpu += static_cast<double>(std::max<std::int64_t>(0, usage.cpu_ns - seen));
    cpu_ns.emplace(id, usage.cpu_ns);
  }
  // One that was not told of this time is still there: it must not count as a new one the next
  // time.
  for (const std::string& id : with_.ids()) {
    if (const auto before = cpu_ns_.find(id); before != cpu_ns_.end()) cpu_ns.insert(*before);
  }
  cpu_ns_ = std::move(cpu_ns);
  sums_->memory.set(memory);
  sums_->processes.set(processes);
  sums_->cpu.add(cpu * 1e-9);
}

}  // namespace berth::container
