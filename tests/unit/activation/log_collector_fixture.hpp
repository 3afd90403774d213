// SPDX-License-Identifier: Apache-2.0
// A LogCollector between a container that prints what a test says and a store in memory.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <gmock/gmock.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "activation/log_collector.hpp"
#include "unit/activation/fake_stores.hpp"
#include "unit/container/fakes.hpp"

namespace berth::activation {

using plugin::Stream;
using namespace std::chrono_literals;

inline constexpr const char* kLost =
    "err There was an issue while collecting your logs. Data might be missing.";
inline constexpr const char* kDeveloper =
    "err The action did not initialize or run as expected. Log data might be missing.";

class Collector : public testing::Test {
 protected:
  Collector() {
    options.delay = 1ms;
    options.sweep = 10ms;
    options.poll = 20ms;
    options.quiet = 30ms;
  }
  ~Collector() override {
    tickets.clear();
    collector.reset();
  }

  void start() {
    collector = std::make_unique<LogCollector>(
        LogCollectorDependencies{io, clock, metrics, factory, store}, options);
    collector->on_unreadable([this](const std::string& id) { unreadable.push_back(id); });
    box = create();
  }
  std::string create() {
    std::string id;
    boost::asio::co_spawn(
        io, factory.create({}, {}),
        [&](std::exception_ptr, Result<plugin::ContainerInfo> info) { id = info->id; });
    test::settle(io);
    return id;
  }
  void begin(const std::string& activation, std::uint64_t limit = 1 << 20,
             bool sentinelled = true) {
    plugin::ActivationRef ref;
    ref.activation_id = activation;
    ref.container_id = box;
    const auto hold = std::shared_ptr<void>(
        nullptr, [to = released_, activation](void*) { to->push_back(activation); });
    tickets[activation] = collector->begin(std::move(ref), limit, sentinelled, hold);
  }
  void end(const std::string& activation, LogEnd how = LogEnd::kNormal) {
    collector->end(tickets.at(activation), 100, 200, how);
  }
  void out(const std::string& text, bool partial = false) {
    factory.print(box, Stream::kStdout, text, partial);
  }
  void err(const std::string& text) { factory.print(box, Stream::kStderr, text); }
  void sentinels() { factory.print_sentinels(box); }
  bool wait(const std::string& activation) {
    return test::run_until(io, [&] { return store.has(activation); });
  }
  void run_for(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    test::run_until(io, [&] { return std::chrono::steady_clock::now() >= until; });
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  test::ShiftedClock clock;
  Metrics metrics;
  test::FakeFactory factory{io};
  test::FakeLogStore store{io};
  LogCollectorOptions options;
  std::unique_ptr<LogCollector> collector;
  std::map<std::string, LogCollector::Ticket> tickets;
  // Some holds end with the io_context, after everything else.
  std::shared_ptr<std::vector<std::string>> released_ =
      std::make_shared<std::vector<std::string>>();
  std::vector<std::string>& released = *released_;
  std::vector<std::string> unreadable;
  std::string box;
};

}  // namespace berth::activation
