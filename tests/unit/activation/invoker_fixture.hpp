// SPDX-License-Identifier: Apache-2.0
// A PooledInvoker over fakes: each container's proxy does what the test's script says.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/json/parse.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "activation/pooled_invoker.hpp"
#include "container/container_pool.hpp"
#include "unit/activation/fake_stores.hpp"
#include "unit/container/fakes.hpp"

namespace berth::activation {

using entity::Outcome;
using plugin::Stream;
using test::Answer;
using namespace std::chrono_literals;

class InvokerTest : public testing::Test {
 protected:
  InvokerTest() {
    options.pool.instance = "test";
    options.pool.memory_bytes = 1024ull * 1024 * 1024;
    options.pool.tick = 5ms;
    options.pool.cheap_start = 1h;
    options.pool.start_retry = 5ms;
    options.logs.delay = 1ms;
    options.logs.quiet = 20ms;
    options.logs.poll = 20ms;
    options.death_wait = 30ms;
    factory.make_script = [this](test::FakeFactory::Box& box) {
      return [this, &box](const std::string& path, const std::string& body) {
        requests.push_back(path);
        bodies.push_back(body);
        const std::string id = box.id;
        Answer answer = path == "/init" ? on_init(id) : on_run(id);
        if (path == "/run" && print_sentinels) factory.print_sentinels(id);
        return answer;
      };
    };
  }
  ~InvokerTest() override { invoker.reset(); }

  void start(const std::string& stem_cells = "[]") {
    manifest = test::make_manifest(stem_cells);
    invoker = std::make_unique<PooledInvoker>(
        InvokerDependencies{io, clock, metrics, factory, logs, records, manifest, work_store},
        options);
    boost::asio::co_spawn(io, factory.start(invoker->died_handler(), {}),
                          [](std::exception_ptr, const Result<void>&) {});
    std::optional<Status> status;
    boost::asio::co_spawn(io, invoker->start({}),
                          [&](std::exception_ptr, Status got) { status = std::move(got); });
    ASSERT_TRUE(test::run_until(io, [&] { return status.has_value(); }));
    ASSERT_TRUE(status->ok()) << status->to_string();
  }

  Invocation make(const std::string& id, entity::ActionPtr action, bool blocking = true) {
    Invocation invocation;
    invocation.transaction_id = "t-" + id;
    invocation.activation_id = id;
    invocation.user = test::make_identity("guest");
    invocation.action = std::move(action);
    invocation.arguments = R"({"name":"Ann"})";
    invocation.blocking = blocking;
    invocation.received_ms = clock.wall_ms();
    return invocation;
  }
  Status invoke(Invocation invocation) {
    const std::string id = invocation.activation_id;
    return invoker->invoke(std::move(invocation), [this, id](const entity::Activation& outcome) {
      ++replies[id];
      replied.insert_or_assign(id, outcome);
    });
  }
  Status invoke(const std::string& id, const std::string& action = "hello") {
    return invoke(make(id, test::make_action(action)));
  }
  bool wait(const std::string& id) {
    return test::run_until(io,
                           [&] { return replied.count(id) != 0 && records.find(id) != nullptr; });
  }
  bool wait_logs(const std::string& id) {
    return test::run_until(io, [&] { return logs.has(id); });
  }
  // One activation from begin to end.
  const entity::Activation& run(const std::string& id, const std::string& action = "hello") {
    EXPECT_TRUE(invoke(id, action).ok());
    EXPECT_TRUE(wait(id));
    return replied[id];
  }
  boost::json::value annotation(const entity::Activation& activation,
                                const std::string& key) const {
    const boost::json::value all = boost::json::parse(activation.annotations);
    for (const auto& pair : all.as_array()) {
      if (pair.as_object().at("key") == boost::json::value(key))
        return pair.as_object().at("value");
    }
    return "(none)";
  }
  double outcomes(const std::string& outcome) {
    return metrics
        .counter("berth_activations_total", "Finished activations by outcome",
                 {{"outcome", outcome}})
        .value();
  }
  void run_for(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    test::run_until(io, [&] { return std::chrono::steady_clock::now() >= until; });
  }
  bool shut_down(std::chrono::milliseconds grace) {
    bool done = false;
    boost::asio::co_spawn(io, invoker->shut_down(clock.steady_now() + grace),
                          [&](std::exception_ptr) { done = true; });
    return test::run_until(io, [&] { return done; });
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  test::ShiftedClock clock;
  Metrics metrics;
  test::FakeFactory factory{io};
  test::FakeLogStore logs{io};
  test::FakeActivationStore records;
  store::WorkStore* work_store = nullptr;
  entity::RuntimesManifest manifest;
  InvokerOptions options;
  std::unique_ptr<PooledInvoker> invoker;

  // What the proxies do; given the container's id.
  std::function<Answer(const std::string&)> on_init = [](const std::string&) { return Answer{}; };
  std::function<Answer(const std::string&)> on_run = [](const std::string&) {
    return Answer{.body = R"({"ok":true})"};
  };
  bool print_sentinels = true;

  std::vector<std::string> requests;
  std::vector<std::string> bodies;
  std::map<std::string, int> replies;
  std::map<std::string, entity::Activation> replied;
};

}  // namespace berth::activation
