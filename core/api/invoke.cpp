// SPDX-License-Identifier: Apache-2.0
// POST .../actions/NAME: the way of an invocation through the API. Lean on purpose: the payload is
// checked and merged as text, the record is written as text, one timer serves all that wait.
#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "api/service.hpp"
#include "base/ids.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kActivationHeader = "x-openwhisk-activation-id";

struct Options {
  bool blocking = false;
  bool result_only = false;
  std::chrono::milliseconds wait{};
};

Checked<Options> parse_options(const Query& query, std::int64_t max_wait_ms) {
  Options options;
  options.wait = std::chrono::milliseconds(max_wait_ms);
  const Checked<bool> blocking = query.boolean("blocking", false);
  if (!blocking) return blocking.error();
  const Checked<bool> result = query.boolean("result", false);
  if (!result) return result.error();
  options.blocking = *blocking;
  options.result_only = *result;
  if (const auto text = query.get("timeout")) {
    std::int64_t wait = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), wait);
    if (error != std::errc() || end != text->data() + text->size() || wait < 1 ||
        wait > max_wait_ms) {
      return Failure{400,
                     fmt::format("Timeout must be number of milliseconds up to {}.", max_wait_ms)};
    }
    options.wait = std::chrono::milliseconds(wait);
  }
  return options;
}

int status_of(entity::Outcome outcome) {
  switch (outcome) {
    case entity::Outcome::kSuccess: return 200;
    case entity::Outcome::kApplicationError:
    case entity::Outcome::kDeveloperError: return 502;
    case entity::Outcome::kWhiskError: return 500;
  }
  return 500;
}

// An accepted invocation, until its outcome is known: what it holds of the throttle, and the caller
// if one still waits.
struct Accepted {
  CallPtr call;  // null once it was answered
  std::string activation_id;
  bool result_only = false;
  Throttle::Place place;
  std::optional<WaitList::Ticket> ticket;
  entity::ActionPtr action;

  // Answers 202: the caller may ask for the record later.
  void answer_accepted() {
    http::Response response;
    response.status = 202;
    response.body = "{\"activationId\":\"" + activation_id + "\"}";
    answer(std::move(response));
  }
  void answer_outcome(const entity::Activation& activation) {
    http::Response response;
    response.status = status_of(activation.outcome);
    // A bare array has no room for the record's members: it is always the whole body.
    response.body = result_only || activation.result.starts_with('[') ? activation.result
                                                                      : entity::to_json(activation);
    answer(std::move(response));
  }
  void fail(const Status& status) {
    const CallPtr answered = std::exchange(call, nullptr);
    // The queue is full: this namespace's and everybody's callers should slow down.
    if (status.code() == StatusCode::kResourceExhausted) {
      return answered->fail(429, status.message(), answered->deps().invoker.retry_after());
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

void accept(const CallPtr& call, const Options& options, const entity::ActionPtr& action) {
  Service& service = call->service();
  Dependencies& deps = service.deps;
  if (const entity::Runtime* runtime = deps.runtimes.find(action->exec.kind);
      runtime != nullptr && runtime->deprecated) {
    return call->fail(deprecated_kind(action->exec.kind));
  }
  if (!call->check_kind(action->exec.kind)) return;
  const std::shared_ptr<const Defaults> defaults = service.defaults_of(action);
  bool is_final = false;
  if (!defaults->empty()) {
    const boost::json::value* annotation = action->annotation("final");
    is_final = annotation != nullptr && entity::is_truthy(*annotation);
  }
  Checked<std::string> arguments = merge_arguments(*defaults, call->request.body, is_final);
  if (!arguments) return call->fail(arguments.error());
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(call->started.time_since_epoch())
          .count();
  Checked<Throttle::Place> place =
      service.throttle.enter(call->user.namespace_uuid, call->throttles(), now_ms);
  if (!place) return call->fail(place.error());

  const auto accepted = std::make_shared<Accepted>();
  accepted->call = call;
  accepted->activation_id = new_activation_id();
  accepted->result_only = options.result_only;
  accepted->place = std::move(*place);
  accepted->action = action;
  if (options.blocking) {
    // The waiting ends before the activation does: it goes on as if nobody had waited, once that is
    // certain.
    accepted->ticket = service.waiting.add(options.wait, [accepted] {
      accepted->ticket.reset();
      accepted->call->deps().invoker.keep(accepted->work(), [accepted](const Status& kept) {
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
  invocation.arguments = std::move(*arguments);
  invocation.blocking = options.blocking;
  invocation.received_ms = call->received_ms;
  // The reference to the service keeps the wait list alive for the ticket.
  const auto settle = [accepted, shared = call->shared_service()] {
    accepted->place = Throttle::Place();
    if (accepted->ticket) shared->waiting.remove(*std::exchange(accepted->ticket, std::nullopt));
  };
  deps.invoker.submit(
      std::move(invocation),
      [accepted, settle, blocking = options.blocking](const Status& status) {
        if (!status.ok()) {
          settle();
          return accepted->fail(status);
        }
        if (!blocking) accepted->answer_accepted();
      },
      [accepted, settle, blocking = options.blocking](const entity::Activation& activation) {
        settle();
        if (blocking && accepted->call) accepted->answer_outcome(activation);
      });
}

}  // namespace

void invoke_action(const CallPtr& call) {
  // Before the pool has started, and while it drains, it takes nothing.
  if (const auto& not_ready = call->deps().not_ready) {
    if (const std::string reason = not_ready(); !reason.empty()) return call->fail(503, reason);
  }
  const entity::LimitBounds bounds = call->bounds();
  const Checked<Options> options = parse_options(call->query, bounds.max_blocking_wait_ms);
  if (!options) return call->fail(options.error());
  if (!check_content_type(*call)) return;
  if (call->request.body.size() > bounds.max_payload_bytes) {
    return call->fail(too_large("Request", call->request.body.size(), bounds.max_payload_bytes));
  }
  with_action(call, [call, options = *options](const entity::ActionPtr& action) {
    accept(call, options, action);
  });
}

}  // namespace berth::api
