// SPDX-License-Identifier: Apache-2.0
// The way of an invocation through the API. Lean on purpose: the payload is checked and merged as
// text, one timer serves all that wait.
#include "api/invocation.hpp"

#include <optional>
#include <utility>

#include "base/ids.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kActivationHeader = "x-openwhisk-activation-id";

// An accepted invocation, until its outcome is known: what it holds of the throttle, and the caller
// if one still waits.
struct Accepted {
  CallPtr call;  // null once it was answered
  std::string activation_id;
  Throttle::Place place;
  std::optional<WaitList::Ticket> ticket;
  entity::ActionPtr action;
  Manner manner;

  void answer_accepted() { answer(manner.accepted(*call, activation_id)); }
  void answer_outcome(const entity::Activation& activation) {
    answer(manner.outcome(*call, activation));
  }
  void fail(const Status& status) {
    const CallPtr answered = std::exchange(call, nullptr);
    // The queue is full: this namespace's and everybody's callers should slow down.
    if (status.code() == StatusCode::kResourceExhausted) {
      return answered->fail(429, status.message(), answered->deps().intake.retry_after());
    }
    answered->fail(status);
  }
  // The row of one whose caller has stopped waiting.
  store::Work work() const {
    store::Work work;
    work.activation_id = activation_id;
    work.transaction_id = call->transaction_id;
    work.namespace_name = call->user.namespace_name;
    work.namespace_uuid = call->user.namespace_uuid;
    work.subject = call->user.subject;
    work.path = action->path();
    work.binding = action->binding;
    work.received_ms = call->received_ms;
    return work;
  }

 private:
  void answer(http::Response response) {
    response.headers.reserve(2);
    response.headers.emplace_back(kActivationHeader, activation_id);
    const CallPtr answered = std::exchange(call, nullptr);
    answered->send(std::move(response));
  }
};

}  // namespace

Failure arguments_failure(const Status& why) {
  if (why.code() == StatusCode::kFailedPrecondition) {
    return {400, std::string(text::kReservedParameters)};
  }
  return malformed_body(why.message());
}

namespace {

// Why this user may not run an action of that kind.
std::optional<Failure> kind_failure(const Service& service, const entity::Identity& user,
                                    const entity::Action& action) {
  if (const entity::Runtime* runtime = service.deps.runtimes.find(action.exec.kind);
      runtime != nullptr && runtime->deprecated) {
    return deprecated_kind(action.exec.kind);
  }
  // What a sequence runs is checked step by step.
  const bool is_sequence = action.flow == entity::Flow::kSequence;
  if (!is_sequence && user.limits && !user.limits->allows_kind(action.exec.kind)) {
    return forbidden_kind(action.exec.kind);
  }
  return std::nullopt;
}

void start(const CallPtr& call, const entity::ActionPtr& action, std::string arguments,
           Manner manner);

}  // namespace

Checked<std::string> arguments_of(Service& service, const entity::Identity& user,
                                  const entity::Action& action, std::string_view payload) {
  if (auto failure = kind_failure(service, user, action)) return std::move(*failure);
  // So are a sequence's arguments: its own parameters are its list of components.
  const bool is_sequence = action.flow == entity::Flow::kSequence;
  static const entity::Defaults kNone;
  const std::shared_ptr<const entity::Defaults> prepared =
      is_sequence ? nullptr : service.defaults.of(action);
  const entity::Defaults& defaults = prepared ? *prepared : kNone;
  bool is_final = false;
  if (!defaults.empty()) {
    const boost::json::value* annotation = action.annotation("final");
    is_final = annotation != nullptr && entity::is_truthy(*annotation);
  }
  Result<std::string> arguments = entity::merge_arguments(defaults, payload, is_final);
  if (!arguments) return arguments_failure(arguments.error());
  return std::move(*arguments);
}

void invoke_with(const CallPtr& call, const entity::ActionPtr& action, std::string arguments,
                 Manner manner) {
  if (const auto failure = kind_failure(call->service(), call->user, *action)) {
    return call->fail(*failure);
  }
  start(call, action, std::move(arguments), std::move(manner));
}

void invoke(const CallPtr& call, const entity::ActionPtr& action, std::string_view payload,
            Manner manner) {
  Checked<std::string> arguments = arguments_of(call->service(), call->user, *action, payload);
  if (!arguments) return call->fail(arguments.error());
  start(call, action, std::move(*arguments), std::move(manner));
}

namespace {

void start(const CallPtr& call, const entity::ActionPtr& action, std::string arguments,
           Manner manner) {
  Service& service = call->service();
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(call->started.time_since_epoch())
          .count();
  Checked<Throttle::Place> place =
      service.tallies->throttle.enter(call->user.namespace_uuid, call->throttles(), now_ms);
  if (!place) return call->fail(place.error());

  const auto accepted = std::make_shared<Accepted>();
  accepted->call = call;
  accepted->activation_id = new_activation_id();
  accepted->place = std::move(*place);
  accepted->action = action;
  accepted->manner = std::move(manner);
  const bool blocking = accepted->manner.blocking;
  if (blocking) {
    // The waiting ends before the activation does: it goes on as if nobody had waited, once that is
    // certain.
    accepted->ticket = service.waiting.add(accepted->manner.wait, [accepted] {
      accepted->ticket.reset();
      accepted->call->deps().intake.keep(accepted->work(), [accepted](const Status& kept) {
        if (!accepted->call) return;  // its outcome came first
        if (kept.ok()) return accepted->answer_accepted();
        accepted->fail(kept);
      });
    });
  }

  activation::Invocation invocation;
  invocation.transaction_id = call->transaction_id;
  invocation.activation_id = accepted->activation_id;
  invocation.user = call->user;
  invocation.action = action;
  invocation.arguments = std::move(arguments);
  invocation.blocking = blocking;
  invocation.received_ms = call->received_ms;
  // The reference to the service keeps the wait list alive for the ticket.
  const auto settle = [accepted, shared = call->shared_service()] {
    accepted->place = Throttle::Place();
    if (accepted->ticket) shared->waiting.remove(*std::exchange(accepted->ticket, std::nullopt));
  };
  service.deps.intake.submit(
      std::move(invocation),
      [accepted, settle, blocking](const Status& status) {
        if (!status.ok()) {
          settle();
          return accepted->fail(status);
        }
        if (!blocking) accepted->answer_accepted();
      },
      [accepted, settle, blocking](const entity::Activation& activation) {
        settle();
        if (blocking && accepted->call) accepted->answer_outcome(activation);
      });
}

}  // namespace
}  // namespace berth::api
