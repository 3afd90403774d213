// SPDX-License-Identifier: Apache-2.0
#include "api/fire.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fmt/format.h>
#include <optional>
#include <utility>
#include <vector>

#include "api/invocation.hpp"
#include "api/launch.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

// One event on its way: what its rules came to.
struct Event {
  std::shared_ptr<Service> service;
  Firing firing;
  std::string arguments;      // of the rules' actions, without these actions' own parameters
  entity::Activation record;  // `logs` has a place for each rule
  std::size_t waiting = 0;    // rules without an outcome
  Fired done;
};
using EventPtr = std::shared_ptr<Event>;

// One line of the record, as OpenWhisk writes it.
std::string line(const std::string& rule, const std::string& action,
                 const Checked<std::string>& outcome) {
  json::object result{{"rule", rule}, {"action", action}};
  if (outcome) {
    result.emplace("statusCode", 0);
    result.emplace("success", true);
    result.emplace("activationId", *outcome);
  } else {
    result.emplace("statusCode", outcome.error().status >= 500 ? 3 : 1);
    result.emplace("success", false);
    result.emplace("error", outcome.error().message);
  }
  return json::serialize(result);
}

void finish(const EventPtr& event) {
  store::ActivationStore& records = event->service->deps.activations;
  records.put(event->service->deps.io.get_executor(), event->record,
              [event](const Result<void>& stored) {
                if (!stored) {
                  // Its actions run all the same; the record follows when there is room.
                  event->service->deps.activations.put_later(event->record);
                }
                event->done(event->record.activation_id);
              });
}

void settle(const EventPtr& event, std::size_t place, std::string text) {
  event->record.logs[place] = std::move(text);
  if (--event->waiting == 0) finish(event);
}

void activate(const EventPtr& event, std::size_t place, const std::string& rule,
              const std::string& action) {
  Service& service = *event->service;
  const auto settled = [event, place, rule, action](const Checked<std::string>& outcome) {
    settle(event, place, line(rule, action, outcome));
  };
  service.resolver.resolve(service.deps.io.get_executor(), activation::split_action_path(action),
                           event->firing.user.namespace_name,
                           [event, action, settled](const Result<entity::ActionPtr>& found) {
                             if (!found) return settled(entity_failure(found.error(), action));
                             launch(event->service,
                                    {.transaction_id = event->firing.transaction_id,
                                     .user = event->firing.user,
                                     .action = *found,
                                     .payload = event->arguments},
                                    settled);
                           });
}

// The trigger's parameters under the request's headers under the payload.
Result<std::string> merge(const Firing& firing) {
  entity::Parameters parameters = firing.trigger->parameters;
  for (entity::Parameter& parameter : parameters) parameter.init = false;
  if (!firing.headers.empty()) {
    parameters =
        entity::merge(parameters, {{.key = "__ow_headers", .value = json::value(firing.headers)}});
  }
  return entity::merge_arguments(entity::Defaults(parameters), firing.payload, false);
}

entity::Activation make_record(const Firing& firing, std::string result, std::int64_t now_ms) {
  entity::Activation record;
  record.activation_id = new_activation_id();
  record.namespace_name = firing.user.namespace_name;
  record.namespace_uuid = firing.user.namespace_uuid;
  record.subject = firing.user.subject;
  record.name = firing.trigger->name;
  record.version = firing.trigger->version;
  record.path = firing.trigger->path();
  record.start_ms = now_ms;
  record.size = result.size();
  record.result = std::move(result);
  return record;
}

}  // namespace

void fire(const std::shared_ptr<Service>& service, Firing firing, Fired done) {
  const Clock& clock = service->deps.clock;
  const Throttles allowed{.invocations_per_minute =
                              service->throttles_of(firing.user).fires_per_minute};
  const std::int64_t now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady_now().time_since_epoch())
          .count();
  const auto place = service->tallies->fires.enter(firing.user.namespace_uuid, allowed, now_ms);
  if (!place) return done(place.error());
  Result<std::string> arguments = merge(firing);
  if (!arguments) return done(arguments_failure(arguments.error()));
  const auto& rules = firing.trigger->rules;
  const bool any_active = std::any_of(rules.begin(), rules.end(),
                                      [](const auto& entry) { return entry.second.active; });
  if (!any_active) return done(std::string());

  const auto event = std::make_shared<Event>();
  event->service = service;
  event->arguments = std::move(*arguments);
  // The payload alone, made one valid line.
  Result<std::string> payload = entity::merge_arguments(entity::Defaults(), firing.payload, false);
  if (!payload) return done(arguments_failure(payload.error()));
  event->record = make_record(firing, std::move(*payload), clock.wall_ms());
  event->record.logs.resize(rules.size());
  event->waiting = rules.size();
  event->done = std::move(done);
  event->firing = std::move(firing);
  std::size_t place_of_rule = 0;
  // The trigger is held by the event, which the last rule may end.
  const entity::TriggerPtr trigger = event->firing.trigger;
  for (const auto& [rule, link] : trigger->rules) {
    const std::size_t at = place_of_rule++;
    if (link.active) {
      activate(event, at, rule, link.action);
    } else {
      settle(event, at,
             line(rule, link.action,
                  Failure{400, fmt::format("Rule '{}' is inactive, action '{}' was not activated.",
                                           rule, link.action)}));
    }
  }
}

void fire_by_path(const std::shared_ptr<Service>& service, const std::string& path,
                  std::string payload, std::function<void(const Status&)> done) {
  Dependencies& deps = service->deps;
  if (deps.not_ready) {
    if (std::string reason = deps.not_ready(); !reason.empty()) {
      return done(sdk::unavailable(std::move(reason)));
    }
  }
  std::optional<entity::Identity> owner =
      deps.auth.find_namespace(std::string_view(path).substr(0, path.find('/')));
  if (!owner) return done(sdk::not_found("the namespace of the trigger is gone"));
  // It may be opened again: the trigger's alarm is to stay.
  if (owner->blocked) return done(sdk::unavailable("the namespace of the trigger is blocked"));
  deps.entities.get_entity(
      deps.io.get_executor(), entity::Collection::kTriggers, path,
      [service, owner = std::move(*owner), payload = std::move(payload),
       done = std::move(done)](const Result<entity::EntityPtr>& found) mutable {
        if (!found) return done(found.error());
        fire(service,
             {.transaction_id = new_transaction_id(),
              .user = std::move(owner),
              .trigger = std::static_pointer_cast<const entity::Trigger>(*found),
              .payload = std::move(payload)},
             [done = std::move(done)](const Checked<std::string>& fired) {
               if (fired) return done(Status());
               const Failure& failure = fired.error();
               if (failure.status == 429) return done(sdk::resource_exhausted(failure.message));
               done(failure.status < 500 ? sdk::invalid_argument(failure.message)
                                         : sdk::unavailable(failure.message));
             });
      });
}

}  // namespace berth::api
