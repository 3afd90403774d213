// SPDX-License-Identifier: Apache-2.0
#include "activation/durable_invoker.hpp"

#include <utility>

#include "activation/keeper.hpp"
#include "activation/recovery.hpp"

namespace berth::activation {

DurableInvoker::DurableInvoker(DurableDependencies dependencies, DurableOptions options)
    : with_(dependencies),
      recovery_(std::make_shared<Recovery>(dependencies, options)),
      keeper_(std::make_shared<Keeper>(dependencies, options)),
      accepted_(with_.metrics.counter("berth_activations_durable_total",
                                      "Activations that were on disk before their 202")),
      accept_seconds_(with_.metrics.histogram("berth_activation_phase_seconds",
                                              "Time of activations by phase",
                                              {{"phase", "accept"}})) {}

DurableInvoker::~DurableInvoker() {
  recovery_->stop();
  keeper_->stop();
}

Status DurableInvoker::invoke(Invocation invocation, OutcomeHandler handler) {
  return with_.next.invoke(std::move(invocation), std::move(handler));
}

void DurableInvoker::submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) {
  if (invocation.blocking) {
    return accepted(with_.next.invoke(std::move(invocation), std::move(handler)));
  }
  invocation.durable = true;
  // Not before it has its place: a refusal costs no write, and no crash can make it run.
  invocation.on_taken = [this, &accepted](const Invocation& taken, Invocation::TakeBack take_back) {
    with_.work.enqueue(
        with_.io.get_executor(), work_of(taken),
        [accepted = std::move(accepted), take_back = std::move(take_back), &counter = accepted_,
         &seconds = accept_seconds_, &clock = with_.clock,
         begun = with_.clock.steady_now()](const Result<void>& stored) {
          if (!stored) {
            take_back();
            return accepted(not_kept(stored.error()));
          }
          counter.add();
          seconds.observe(std::chrono::duration<double>(clock.steady_now() - begun).count());
          accepted(Status());
        });
  };
  const Status status = with_.next.invoke(std::move(invocation), std::move(handler));
  if (!status.ok()) accepted(status);
}

void DurableInvoker::keep(store::Work work, AcceptHandler done) {
  keeper_->keep(std::move(work), std::move(done));
}

bool DurableInvoker::logs_pending(std::string_view activation_id) const {
  return with_.next.logs_pending(activation_id);
}

boost::asio::awaitable<void> DurableInvoker::shut_down(SteadyTime deadline) {
  recovery_->stop();
  keeper_->stop();
  co_await with_.next.shut_down(deadline);
}

void DurableInvoker::recover() {
  recovery_->start();
}

bool DurableInvoker::recovered() const {
  return recovery_->done();
}

}  // namespace berth::activation
