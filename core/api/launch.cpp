// SPDX-License-Identifier: Apache-2.0
#include "api/launch.hpp"

#include <chrono>
#include <utility>

#include "api/invocation.hpp"
#include "base/ids.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::api {
namespace {

// What it holds until it has ended.
struct Held {
  Throttle::Place place;
};

Checked<std::string> arguments_of(Service& service, const Launch& wanted) {
  const entity::Action& action = *wanted.action;
  if (const entity::Runtime* runtime = service.deps.runtimes.find(action.exec.kind);
      runtime != nullptr && runtime->deprecated) {
    return deprecated_kind(action.exec.kind);
  }
  // A sequence's parameters are its components, and what they are is checked step by step.
  const bool is_sequence = action.flow == entity::Flow::kSequence;
  if (!is_sequence && wanted.user.limits && !wanted.user.limits->allows_kind(action.exec.kind)) {
    return forbidden_kind(action.exec.kind);
  }
  const boost::json::value* annotation = action.annotation("final");
  Result<std::string> arguments = entity::merge_arguments(
      is_sequence ? entity::Defaults() : *service.defaults.of(action), wanted.payload,
      !is_sequence && annotation != nullptr && entity::is_truthy(*annotation));
  if (!arguments) return arguments_failure(arguments.error());
  return std::move(*arguments);
}

}  // namespace

void launch(const std::shared_ptr<Service>& service, Launch wanted, Launched done) {
  Checked<std::string> arguments = arguments_of(*service, wanted);
  if (!arguments) return done(arguments.error());
  const Clock& clock = service->deps.clock;
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady_now().time_since_epoch())
          .count();
  Checked<Throttle::Place> place = service->throttle.enter(
      wanted.user.namespace_uuid, service->throttles_of(wanted.user), now_ms);
  if (!place) return done(place.error());
  const auto held = std::make_shared<Held>(std::move(*place));

  activation::Invocation invocation;
  invocation.transaction_id = std::move(wanted.transaction_id);
  invocation.activation_id = new_activation_id();
  invocation.user = std::move(wanted.user);
  invocation.action = std::move(wanted.action);
  invocation.arguments = std::move(*arguments);
  invocation.received_ms = clock.wall_ms();
  const std::string id = invocation.activation_id;
  service->deps.invoker.submit(
      std::move(invocation),
      [id, held, done = std::move(done)](const Status& status) {
        if (status.ok()) return done(id);
        held->place = Throttle::Place();
        // The queue is full.
        if (status.code() == StatusCode::kResourceExhausted) {
          return done(Failure{429, status.message()});
        }
        done(to_failure(status));
      },
      [held](const entity::Activation&) { held->place = Throttle::Place(); });
}

}  // namespace berth::api
