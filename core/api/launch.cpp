// SPDX-License-Identifier: Apache-2.0
#include "api/launch.hpp"

#include <chrono>
#include <utility>

#include "api/invocation.hpp"
#include "base/ids.hpp"

namespace berth::api {
namespace {

// What it holds until it has ended.
struct Held {
  Throttle::Place place;
};

}  // namespace

void launch(const std::shared_ptr<Service>& service, Launch wanted, Launched done) {
  Checked<std::string> arguments =
      arguments_of(*service, wanted.user, *wanted.action, wanted.payload);
  if (!arguments) return done(arguments.error());
  const Clock& clock = service->deps.clock;
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady_now().time_since_epoch())
          .count();
  Checked<Throttle::Place> place = service->tallies->throttle.enter(
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
  service->deps.intake.submit(
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
