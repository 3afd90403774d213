// SPDX-License-Identifier: Apache-2.0
// The Invoker over a ContainerPool and a LogCollector, both its own.
//
// Wiring (berthd): make it; factory.start(invoker.died_handler()), the stores' start();
// invoker.start(); then invoke(). At the end shut_down(), and only then the stores' and the
// factory's drain and stop. Threads as in invoker.hpp; died_handler() may be called from any
// thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "activation/invoker.hpp"
#include "activation/log_collector.hpp"
#include "container/pool_options.hpp"
#include "entity/limits.hpp"
#include "entity/runtimes.hpp"
#include "plugin/container_factory.hpp"
#include "plugin/log_store.hpp"
#include "store/stores.hpp"

namespace berth::container {
class ContainerPool;
class Ledger;
}  // namespace berth::container

namespace berth::activation {

struct InvokerOptions {
  container::PoolOptions pool;
  LogCollectorOptions logs;
  // What the operator allows now. An action that asks for more, because it is older than a change,
  // does not run.
  std::optional<entity::LimitBounds> bounds;
  // A blocking caller's reply waits until its record is on disk (else the record follows at once,
  // with the next group commit).
  bool record_before_reply = false;
  // How often an activation may be given another container because nothing was sent to the last
  // one.
  std::uint32_t max_reschedules = 3;
  // When a row could not be marked for lack of room it is tried again after so long, doubled up to
  // the second.
  std::chrono::milliseconds mark_retry{250};
  std::chrono::milliseconds mark_retry_max{5'000};
  // How long the word of a container's death is waited for when its connection broke (to tell that
  // it ran out of memory).
  std::chrono::milliseconds death_wait{1000};
  // What flushing logs and records may take beyond the deadline of a shutdown.
  std::chrono::milliseconds flush_wait{5'000};
};

// All must outlive the Invoker, and the Invoker's io_context must not run any more when it is
// destroyed.
struct InvokerDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  plugin::ContainerFactory& factory;
  plugin::LogStore& logs;
  store::ActivationStore& activations;
  const entity::RuntimesManifest& manifest;
  // Where durable activations are marked before anything is sent; null: there are none.
  store::WorkStore* work = nullptr;
  container::Ledger* ledger = nullptr;  // null: the next berthd adopts nothing
  // Whose threads speak with the containers; none: that of `io`.
  std::vector<boost::asio::io_context*> wires{};
};

class PooledInvoker final : public Invoker {
 public:
  PooledInvoker(InvokerDependencies dependencies, InvokerOptions options);
  ~PooledInvoker() override;

  // For ContainerFactory::start.
  plugin::ContainerFactory::DiedHandler died_handler();
  // Once, after factory and stores have started: log parameters, capacity, adoption or
  // removal of what an earlier berthd left, first prewarmed containers.
  boost::asio::awaitable<Status> start(SteadyTime deadline);

  Status invoke(Invocation invocation, OutcomeHandler handler) override;
  std::chrono::seconds retry_after() const override;
  bool logs_pending(std::string_view activation_id) const override;
  const Invocation* set_durable(std::string_view activation_id, bool durable) override;
  void leave_waiting() override;
  boost::asio::awaitable<void> shut_down(SteadyTime deadline) override;

  // For the administration and tests.
  container::ContainerPool& pool();
  // Accepted and without an outcome yet.
  std::size_t running() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::activation
