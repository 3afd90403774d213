// SPDX-License-Identifier: Apache-2.0
// The Invoker of actions that are made of actions: sequences and conductors (flows). Others it
// hands to the next Invoker, which runs them in containers; so it does with each step of a flow.
//
// A flow is one activation with a record of its own, whose logs are the ids of its steps; a step is
// an activation whose `cause` is the flow. A flow that is durable is marked in the WorkStore before
// its first step, exactly as an action is before something is sent: after a crash one that was not
// marked runs, one that was is recorded as interrupted and not run twice. Its steps have rows, too,
// before they begin, so that what a crash cuts off is told of each.
//
// Stands between the DurableInvoker and the PooledInvoker:
//
//   Composer composer({.io = io, .next = pooled, .work = &store.work(), ...});
//   DurableInvoker durable({.next = composer, ...});
//
// Belongs to one io_context that one thread runs; not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "activation/invoker.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "entity/runtimes.hpp"
#include "store/stores.hpp"
#include "store/work_store.hpp"

namespace berth::activation {

// Finds the action that a step names ("ns/[pkg/]name") as `user` may run it, with the parameters of
// its package merged in. PERMISSION_DENIED: it is not for that user. `done` is called on the
// io_context's thread, now or later.
using ResolveStep = std::function<void(const entity::Identity& user, std::string path,
                                       store::Done<entity::ActionPtr> done)>;

// All must outlive the Composer, and its io_context must not run any more when it is destroyed.
struct ComposerDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  Invoker& next;
  store::ActivationStore& activations;
  store::WorkStore* work = nullptr;  // null: nothing is durable
  ResolveStep resolve;
  // What is deprecated there is not run as a step; null: nothing is.
  const entity::RuntimesManifest* runtimes = nullptr;
};

// By a Resolver of its own.
ResolveStep resolve_by_name(boost::asio::io_context& io, store::EntityStore& entities);

struct ComposerOptions {
  // Actions in a sequence, nested ones counted in; components of a composition, which may ask its
  // conductor twice as often and once more.
  std::size_t max_steps = 50;
  // Flows at a time. One waits for nothing but its steps, so it costs only memory. A namespace that
  // has less than its share of them is taken all the same: the namespaces with flows share evenly.
  std::size_t max_flows = 20'000;
  // As InvokerOptions::record_before_reply.
  bool record_before_reply = false;
  // When a flow could not be marked for lack of room it is tried again after so long, doubled up to
  // the second.
  std::chrono::milliseconds mark_retry{250};
  std::chrono::milliseconds mark_retry_max{5'000};
};

struct FlowContext;

class Composer final : public Invoker {
 public:
  explicit Composer(ComposerDependencies dependencies, ComposerOptions options = {});
  ~Composer() override;

  Status invoke(Invocation invocation, OutcomeHandler handler) override;
  const Invocation* set_durable(std::string_view activation_id, bool durable) override;
  std::chrono::seconds retry_after() const override;
  bool logs_pending(std::string_view activation_id) const override;
  boost::asio::awaitable<void> shut_down(SteadyTime deadline) override;

  // Accepted and without an outcome yet, nested ones counted in.
  std::size_t flows() const;

 private:
  const std::shared_ptr<FlowContext> context_;
};

}  // namespace berth::activation
