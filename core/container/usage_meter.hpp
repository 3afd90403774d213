// SPDX-License-Identifier: Apache-2.0
// `UsageMeter`: what the containers of a pool use, where the factory tells (berth.stats/1): for the
// administration when it asks, and every few seconds as sums for /metrics. The sums are of all
// containers together: series of single ones would come and go with them.
//
//   auto meter = UsageMeter::make({io, clock, metrics, factory, [&] { return pool.ids(); }}, {});
//   meter->start();
//   meter->measure([](const UsageMeter::Usages& usages) { ... });
//   meter->stop();
//
// Everything on the io_context's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "plugin/container_factory.hpp"

namespace berth::container {

struct UsageOptions {
  std::chrono::milliseconds interval{15'000};  // between the sums; 0: only when asked
  std::chrono::milliseconds timeout{5'000};    // for all; who is not told by then is left out
  std::size_t parallel = 8;                    // containers asked for at once
};

struct UsageDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  plugin::ContainerFactory& factory;
  std::function<std::vector<std::string>()> ids;  // of the containers there are
};

class UsageMeter : public std::enable_shared_from_this<UsageMeter> {
 public:
  using Usages = std::unordered_map<std::string, plugin::ContainerStats>;  // by the factory's id
  using Handler = std::function<void(const Usages&)>;

  static std::shared_ptr<UsageMeter> make(UsageDependencies dependencies, UsageOptions options);
  ~UsageMeter();

  // Begins with the sums, where the factory can tell.
  void start();
  // Asks nothing any more; a measurement that is under way ends with what it has.
  void stop();

  // Calls back once with what each container uses now, perhaps at once (with nothing, where the
  // factory tells nothing). One measurement serves all who ask while it is under way.
  void measure(Handler done);

 private:
  UsageMeter(UsageDependencies dependencies, UsageOptions options);
  void arm();
  void ask_more();
  void answered(const std::string& id, Result<plugin::ContainerStats> stats);
  void publish(const Usages& usages);

  const UsageDependencies with_;
  const UsageOptions options_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;

  // The measurement under way.
  SteadyTime deadline_{};
  std::vector<std::string> left_;
  std::size_t asked_ = 0;  // and not answered
  Usages usages_;
  std::vector<Handler> handlers_;

  std::unordered_map<std::string, std::int64_t> cpu_ns_;  // at the last sums
  struct Sums;
  std::unique_ptr<Sums> sums_;
};

}  // namespace berth::container
