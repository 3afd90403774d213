// SPDX-License-Identifier: Apache-2.0
#include "activation/durable_invoker.hpp"

#include <utility>

#include "activation/recovery.hpp"

namespace berth::activation {
namespace {

// A full disk is not the caller's doing: it is told to come back, whatever the store calls it.
Status not_kept(const Status& why) {
  return sdk::unavailable("The activation could not be accepted durably: " + why.message());
}

store::Work work_of(const Invocation& invocation) {
  store::Work work;
  work.activation_id = invocation.activation_id;
  work.transaction_id = invocation.transaction_id;
  work.namespace_name = invocation.user.namespace_name;
  work.namespace_uuid = invocation.user.namespace_uuid;
  work.subject = invocation.user.subject;
  work.path = invocation.action->path();
  work.cause = invocation.cause;
  work.received_ms = invocation.received_ms;
  work.arguments = invocation.arguments;
  return work;
}

}  // namespace

DurableInvoker::DurableInvoker(DurableDependencies dependencies, DurableOptions options)
    : with_(dependencies),
      recovery_(std::make_shared<Recovery>(dependencies, options)),
      accepted_(with_.metrics.counter("berth_activations_durable_total",
                                      "Activations that were on disk before their 202")),
      accept_seconds_(with_.metrics.histogram("berth_activation_phase_seconds",
                                              "Time of activations by phase",
                                              {{"phase", "accept"}})) {}

DurableInvoker::~DurableInvoker() {
  recovery_->stop();
}

Status DurableInvoker::invoke(Invocation invocation, OutcomeHandler handler) {
  return with_.next.invoke(std::move(invocation), std::move(handler));
}

void DurableInvoker::submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) {
  if (invocation.blocking) {
    return accepted(with_.next.invoke(std::move(invocation), std::move(handler)));
  }
  invocation.durable = true;
  const std::string id = invocation.activation_id;
  // Whoever comes second, the refusal or the disk, has nothing more to say.
  const auto answer = std::make_shared<AcceptHandler>(std::move(accepted));
  const auto tell = [answer](const Status& status) {
    if (*answer) std::exchange(*answer, nullptr)(status);
  };
  with_.work.enqueue(
      with_.io.get_executor(), work_of(invocation),
      [tell, &counter = accepted_, &seconds = accept_seconds_, &clock = with_.clock,
       begun = with_.clock.steady_now()](const Result<void>& stored) {
        if (!stored) return tell(not_kept(stored.error()));
        counter.add();
        seconds.observe(std::chrono::duration<double>(clock.steady_now() - begun).count());
        tell(Status());
      });
  // After enqueue(): the next one may mark the row at once.
  const Status status = with_.next.invoke(std::move(invocation), std::move(handler));
  if (status.ok()) return;
  with_.work.withdraw(id);
  tell(status);
}

void DurableInvoker::keep(store::Work work, AcceptHandler done) {
  // It may have been sent to a container already: it must not run again.
  work.started_ms = with_.clock.wall_ms();
  with_.work.enqueue(with_.io.get_executor(), std::move(work),
                     [done = std::move(done)](const Result<void>& stored) {
                       done(stored ? Status() : not_kept(stored.error()));
                     });
}

bool DurableInvoker::logs_pending(std::string_view activation_id) const {
  return with_.next.logs_pending(activation_id);
}

boost::asio::awaitable<void> DurableInvoker::shut_down(SteadyTime deadline) {
  recovery_->stop();
  co_await with_.next.shut_down(deadline);
}

void DurableInvoker::recover() {
  recovery_->start();
}

bool DurableInvoker::recovered() const {
  return recovery_->done();
}

}  // namespace berth::activation
