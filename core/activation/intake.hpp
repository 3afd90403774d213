// SPDX-License-Identifier: Apache-2.0
// The Intake: what who takes requests needs of an Invoker, on whichever thread that is. Each Intake
// belongs to one thread, on which its methods are called and its handlers come.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

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

// Called once, on the Intake's thread, as soon as the outcome is known (before logs and record for
// a blocking invocation).
using OutcomeHandler = std::function<void(const entity::Activation& activation)>;

// Called once, on the Intake's thread: OK, or why it was not accepted.
using AcceptHandler = std::function<void(const Status&)>;

class Intake {
 public:
  virtual ~Intake() = default;

  // Takes the invocation, for a caller who may be told "accepted" only when a crash cannot lose the
  // activation any more: `accepted` is called now or later, for a blocking one no later than
  // `handler`. RESOURCE_EXHAUSTED: the queue is full or the action's memory can never fit;
  // UNAVAILABLE: shutting down. After OK `handler` is called exactly once, but that of a durable
  // one is dropped when Berth stops before it ran: it is left to the next start.
  virtual void submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) = 0;
  // The caller of a blocking one stops waiting and will look for the record later: `done` is called
  // with OK when it is certain that there will be one. Where that cannot be made certain, because
  // the disk is full, it is called later or not at all: it runs all the same, so its caller is to
  // wait on for its outcome.
  virtual void keep(store::Work work, AcceptHandler done) = 0;
  // When one that was refused for a full queue may come again.
  virtual std::chrono::seconds retry_after() const = 0;
  // Whether logs of this activation are still on their way to the LogStore. The record does not
  // wait for them, so who shows logs does.
  virtual boost::asio::awaitable<bool> still_logging(std::string activation_id) const = 0;
};

}  // namespace berth::activation
