// SPDX-License-Identifier: Apache-2.0
// The Invoker: one activation from accepted to stored.
//
// It resolves the runtime, asks the ContainerPool for a container, sends /init (once a container)
// and /run, maps the outcome (OpenWhisk's table, outcome.hpp), hands the reply back, has the
// LogCollector frame the logs off the busy path, and writes the record. Exactly one outcome and one
// record for every accepted activation, whatever fails.
//
// Belongs to one io_context that one thread runs (the worker that owns the pool); not thread-safe.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "entity/action.hpp"
#include "entity/activation.hpp"
#include "entity/identity.hpp"
#include "store/work_store.hpp"

namespace berth::activation {

// One accepted invocation.
struct Invocation {
  std::string transaction_id;
  std::string activation_id;
  entity::Identity user;     // who invokes
  entity::ActionPtr action;  // with the package's parameters merged in, where there is a package
  std::string
      arguments;      // JSON object text, valid: parameters merged with the payload, init ones out
  std::string cause;  // of a sequence or trigger, or empty
  bool step = false;  // of a flow that was accepted: a full queue does not refuse it
  bool blocking = false;  // the caller waits: the reply is wanted before the record is on disk
  std::int64_t received_ms = 0;  // wall time when the API received it, for waitTime
  // It has a row in the WorkStore, or will have: nothing may be sent to a container before that row
  // is marked. Set by the DurableInvoker.
  bool durable = false;
  // Called once from inside invoke(), when it is certain that the invocation has its place and
  // before the WorkStore is asked to mark its row; not at all if it is refused. `take_back` undoes
  // that: nothing of it runs, unless something was sent already. It may be called at any later
  // time, on the Invoker's thread.
  using TakeBack = std::function<void()>;
  std::function<void(const Invocation& taken, TakeBack take_back)> on_taken;
};

// Called once, on the Invoker's thread, as soon as the outcome is known (before logs and record for
// a blocking invocation).
using OutcomeHandler = std::function<void(const entity::Activation& activation)>;

// Called once, on the Invoker's thread: OK, or why it was not accepted.
using AcceptHandler = std::function<void(const Status&)>;

class Invoker {
 public:
  virtual ~Invoker() = default;

  // Accepts the invocation, or says why not (RESOURCE_EXHAUSTED: the queue is full or the action's
  // memory can never fit; UNAVAILABLE: shutting down). After OK `handler` is called exactly once.
  virtual Status invoke(Invocation invocation, OutcomeHandler handler) = 0;

  // The same for a caller who may be told "accepted" only when a crash cannot lose the activation
  // any more: `accepted` is called now or later, for a blocking one as soon as it is taken. Where
  // nothing is durable that is what invoke() says. The handler of a durable one is dropped when
  // Berth stops before it ran: it is left to the next start.
  virtual void submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) {
    accepted(invoke(std::move(invocation), std::move(handler)));
  }
  // The caller of a blocking one stops waiting and will look for the record later: `done` is called
  // with OK when it is certain that there will be one. Where that cannot be made certain, because
  // the disk is full, it is called later or not at all: it runs all the same, so its caller is to
  // wait on for its outcome.
  virtual void keep(store::Work, AcceptHandler done) { done(Status()); }
  // Says of one that still waits for a container whether it has a row in the WorkStore. The
  // invocation, or null if something may have been sent or it is not here; valid until the next
  // call.
  virtual const Invocation* set_durable(std::string_view, bool) { return nullptr; }

  // When one that was refused for a full queue may come again.
  virtual std::chrono::seconds retry_after() const { return std::chrono::seconds(1); }

  // Whether logs of this activation are still on their way to the LogStore. The record does not
  // wait for them, so who shows logs does.
  virtual bool logs_pending(std::string_view) const { return false; }

  // Berth is about to stop: what is durable and did not start is dropped, for the next start to
  // run. Before shut_down(), by who still has steps of its own for this Invoker.
  virtual void leave_waiting() {}
  // Stops accepting; done when every accepted activation has its record or `deadline` passed: what
  // still runs then is recorded as interrupted.
  virtual boost::asio::awaitable<void> shut_down(SteadyTime deadline) = 0;
};

}  // namespace berth::activation
