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
#include <string>
#include <string_view>
#include <utility>

#include "activation/intake.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"

namespace berth::activation {

class Invoker : public Intake {
 public:
  // Accepts the invocation, or says why not (RESOURCE_EXHAUSTED: the queue is full or the action's
  // memory can never fit; UNAVAILABLE: shutting down). After OK `handler` is called exactly once.
  virtual Status invoke(Invocation invocation, OutcomeHandler handler) = 0;

  // Where nothing is durable: what invoke() says, at once.
  void submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) override {
    accepted(invoke(std::move(invocation), std::move(handler)));
  }
  void keep(store::Work, AcceptHandler done) override { done(Status()); }
  // Says of one that still waits for a container whether it has a row in the WorkStore. The
  // invocation, or null if something may have been sent or it is not here; valid until the next
  // call.
  virtual const Invocation* set_durable(std::string_view, bool) { return nullptr; }

  std::chrono::seconds retry_after() const override { return std::chrono::seconds(1); }

  virtual bool logs_pending(std::string_view) const { return false; }
  boost::asio::awaitable<bool> still_logging(std::string activation_id) const override {
    co_return logs_pending(activation_id);
  }

  // Berth is about to stop: what is durable and did not start is dropped, for the next start to
  // run. Before shut_down(), by who still has steps of its own for this Invoker.
  virtual void leave_waiting() {}
  // Stops accepting; done when every accepted activation has its record or `deadline` passed: what
  // still runs then is recorded as interrupted.
  virtual boost::asio::awaitable<void> shut_down(SteadyTime deadline) = 0;
};

}  // namespace berth::activation
