// SPDX-License-Identifier: Apache-2.0
// GET, PUT, DELETE of one rule, and POST, which makes it active or inactive. A rule and the trigger
// that knows its status are changed together or not at all.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/entity_store_calls.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;
using entity::RulePtr;
using entity::TriggerPtr;

// A trigger with many rules is changed by many: so often the change is tried again.
constexpr int kTries = 10;

// An action or trigger as a body names it: "ns/[pkg/]name", or empty if it does not.
Checked<std::string> parse_name(const Call& call, const json::object& body, std::string_view key) {
  const std::string pointer = fmt::format("/{}", key);
  const json::value* value = given(body, key);
  if (value == nullptr) return std::string();
  std::string path;
  if (const json::object* object = value->if_object()) {
    Checked<std::string> space = text_member(*object, "path", pointer + "/path");
    if (!space) return space.error();
    Checked<std::string> name = text_member(*object, "name", pointer + "/name");
    if (!name) return name.error();
    path = '/' + *space + '/' + *name;
  } else if (const json::string* string = value->if_string()) {
    path.assign(string->data(), string->size());
  } else {
    return wrong(pointer, "must be a name, as in \"/_/name\"");
  }
  if (path.empty()) return path;
  // "name" and "package/name" are the caller's own, "ns/package/name" needs no slash before it.
  if (path.starts_with('/')) {
    path.erase(0, 1);
  } else if (std::count(path.begin(), path.end(), '/') < 2) {
    path = "_/" + path;
  }
  activation::ActionName name = activation::split_action_path(path);
  if (name.namespace_name == "_") name.namespace_name = call.user.namespace_name;
  if (!entity::is_entity_name(name.namespace_name)) {
    return Failure{400, std::string(text::kBadNamespace)};
  }
  if (!entity::is_entity_name(name.name) ||
      (!name.package.empty() && !entity::is_entity_name(name.package))) {
    return Failure{400, std::string(text::kBadEntityName)};
  }
  return name.path();
}

// One PUT or POST: what is to become of the rule.
struct RuleChange {
  CommonPut put;
  std::string trigger;  // empty: as it is
  std::string action;
  bool overwrite = false;
  int tries = kTries;
};
using RuleChangePtr = std::shared_ptr<RuleChange>;

bool is_active(const entity::Rule& rule, const TriggerPtr& trigger) {
  if (!trigger) return false;
  const auto link = trigger->rules.find(rule.path());
  return link != trigger->rules.end() && link->second.active;
}

void send(const CallPtr& call, const entity::Rule& rule, bool active) {
  json::object object = entity::to_json(rule);
  object.emplace("status", active ? "active" : "inactive");
  call->send_json(json::serialize(object));
}

// Stores all of `changes`, or runs `again` when one of the entities was changed meanwhile.
void store(const CallPtr& call, std::vector<store::EntityChange> changes, int tries,
           std::function<void()> again, std::function<void()> done) {
  call->deps().entities.change_entities(
      call->executor(), std::move(changes),
      [call, tries, again = std::move(again),
       done = std::move(done)](const Result<std::vector<entity::EntityPtr>>& stored) {
        if (stored) return done();
        if (stored.error().code() == StatusCode::kAborted && tries > 0) return again();
        call->fail(entity_failure(stored.error(), call->path()));
      });
}

store::EntityChange put_of(std::shared_ptr<entity::Entity> changed) {
  const std::uint64_t revision = changed->revision;
  return {.put = std::move(changed), .expected_revision = revision};
}

store::EntityChange with_link(const entity::Trigger& trigger, const std::string& rule,
                              std::optional<entity::Trigger::Link> link) {
  auto changed = std::make_shared<entity::Trigger>(trigger);
  if (link) {
    changed->rules[rule] = std::move(*link);
  } else {
    changed->rules.erase(rule);
  }
  return put_of(std::move(changed));
}

void apply(const CallPtr& call, const RuleChangePtr& change);

// `old_trigger`: the one that `existing` had, or null; `trigger`: the one that it is to have.
void link_and_store(const CallPtr& call, const RuleChangePtr& change, const RulePtr& existing,
                    const TriggerPtr& old_trigger, const TriggerPtr& trigger) {
  const auto rule =
      existing ? std::make_shared<entity::Rule>(*existing) : std::make_shared<entity::Rule>();
  apply_common(*call, change->put, existing != nullptr, *rule);
  rule->parameters.clear();
  if (!change->trigger.empty()) rule->trigger = change->trigger;
  if (!change->action.empty()) rule->action = change->action;
  const bool active = !existing || is_active(*existing, old_trigger);
  std::vector<store::EntityChange> changes;
  changes.push_back(put_of(rule));
  if (old_trigger && old_trigger->path() != trigger->path() &&
      old_trigger->rules.contains(rule->path())) {
    changes.push_back(with_link(*old_trigger, rule->path(), std::nullopt));
  }
  changes.push_back(with_link(*trigger, rule->path(), entity::Trigger::Link{rule->action, active}));
  const auto shown = std::make_shared<const entity::Rule>(*rule);
  store(
      call, std::move(changes), change->tries,
      [call, change] {
        --change->tries;
        apply(call, change);
      },
      [call, shown, active] { send(call, *shown, active); });
}

// The trigger that the rule is to have, which must be there.
void with_new_trigger(const CallPtr& call, const RuleChangePtr& change, const RulePtr& existing,
                      const TriggerPtr& old_trigger) {
  const std::string path = change->trigger.empty() ? existing->trigger : change->trigger;
  const std::string own = call->user.namespace_name + '/';
  if (!path.starts_with(own)) return call->fail(forbidden(path));
  call->deps().entities.get_entity(
      call->executor(), entity::Collection::kTriggers, path,
      [call, change, existing, old_trigger, path](const Result<entity::EntityPtr>& found) {
        if (found) {
          return link_and_store(call, change, existing, old_trigger,
                                std::static_pointer_cast<const entity::Trigger>(*found));
        }
        switch (found.error().code()) {
          case StatusCode::kNotFound:
            return call->fail(400, fmt::format("trigger /{} does not exist", path));
          case StatusCode::kFailedPrecondition:
            return call->fail(400, fmt::format("/{} is not a trigger", path));
          default: return call->fail(found.error());
        }
      });
}

void check_action(const CallPtr& call, const RuleChangePtr& change, const RulePtr& existing,
                  std::function<void()> use) {
  const std::string path = change->action.empty() ? existing->action : change->action;
  call->service().resolver.resolve(
      call->executor(), activation::split_action_path(path), call->user.namespace_name,
      [call, path, use = std::move(use)](const Result<entity::ActionPtr>& action) {
        if (action) return use();
        switch (action.error().code()) {
          case StatusCode::kNotFound:
            return call->fail(400, fmt::format("action /{} does not exist", path));
          case StatusCode::kFailedPrecondition:
            return call->fail(400, fmt::format("/{} is not an action", path));
          default: return call->fail(entity_failure(action.error(), path));
        }
      });
}

void apply(const CallPtr& call, const RuleChangePtr& change) {
  find_one<entity::Rule>(call, call->path(), [call, change](const RulePtr& existing) {
    if (existing && !change->overwrite) return call->fail(409, text::kExists);
    if (!existing && (change->trigger.empty() || change->action.empty())) {
      return call->fail(400, "rule requires a valid trigger and a valid action");
    }
    check_action(call, change, existing, [call, change, existing] {
      if (!existing) return with_new_trigger(call, change, nullptr, nullptr);
      find_one<entity::Trigger>(call, existing->trigger,
                                [call, change, existing](const TriggerPtr& old_trigger) {
                                  with_new_trigger(call, change, existing, old_trigger);
                                });
    });
  });
}

// Runs `use` with the call's rule and its trigger, which may be null; answers 404 without a rule.
void with_rule(const CallPtr& call, std::function<void(const RulePtr&, const TriggerPtr&)> use) {
  find_one<entity::Rule>(call, call->path(), [call, use = std::move(use)](const RulePtr& rule) {
    if (!rule) return call->fail(404, text::kNotFound);
    call->deps().entities.get_entity(
        call->executor(), entity::Collection::kTriggers, rule->trigger,
        [call, rule, use](const Result<entity::EntityPtr>& found) {
          if (found) return use(rule, std::static_pointer_cast<const entity::Trigger>(*found));
          const StatusCode why = found.error().code();
          // Deleted, and perhaps something else has its name.
          if (why == StatusCode::kNotFound || why == StatusCode::kFailedPrecondition) {
            return use(rule, nullptr);
          }
          call->fail(found.error());
        });
  });
}

void remove(const CallPtr& call, int tries) {
  with_rule(call, [call, tries](const RulePtr& rule, const TriggerPtr& trigger) {
    std::vector<store::EntityChange> changes;
    changes.push_back({.collection = entity::Collection::kRules,
                       .path = rule->path(),
                       .expected_revision = rule->revision});
    if (trigger && trigger->rules.contains(rule->path())) {
      changes.push_back(with_link(*trigger, rule->path(), std::nullopt));
    }
    store(
        call, std::move(changes), tries, [call, tries] { remove(call, tries - 1); },
        [call, rule] { send(call, *rule, false); });
  });
}

void set_status(const CallPtr& call, bool active, int tries) {
  with_rule(call, [call, active, tries](const RulePtr& rule, const TriggerPtr& trigger) {
    const auto done = [call] { call->send({.status = 200, .content_type = ""}); };
    if (is_active(*rule, trigger) == active) return done();
    if (!trigger) {
      return call->fail(404, "Only rules with existing triggers can be activated");
    }
    std::vector<store::EntityChange> changes;
    changes.push_back(
        with_link(*trigger, rule->path(), entity::Trigger::Link{rule->action, active}));
    store(
        call, std::move(changes), tries,
        [call, active, tries] { set_status(call, active, tries - 1); }, done);
  });
}

}  // namespace

void get_rule(const CallPtr& call) {
  with_rule(call, [call](const RulePtr& rule, const TriggerPtr& trigger) {
    send(call, *rule, is_active(*rule, trigger));
  });
}

void put_rule(const CallPtr& call) {
  const Checked<bool> overwrite = call->query.boolean("overwrite", false);
  if (!overwrite) return call->fail(overwrite.error());
  if (!check_content_type(*call)) return;
  const Checked<json::object> body = parse_small_body(call->request.body, call->bounds());
  if (!body) return call->fail(body.error());
  Checked<CommonPut> put = parse_common(*body, call->bounds());
  if (!put) return call->fail(put.error());
  Checked<std::string> trigger = parse_name(*call, *body, "trigger");
  if (!trigger) return call->fail(trigger.error());
  Checked<std::string> action = parse_name(*call, *body, "action");
  if (!action) return call->fail(action.error());
  const auto change = std::make_shared<RuleChange>();
  change->put = std::move(*put);
  change->trigger = std::move(*trigger);
  change->action = std::move(*action);
  change->overwrite = *overwrite;
  apply(call, change);
}

void delete_rule(const CallPtr& call) {
  remove(call, kTries);
}

void set_rule_status(const CallPtr& call) {
  if (!check_content_type(*call)) return;
  const Checked<json::object> body = parse_small_body(call->request.body, call->bounds());
  if (!body) return call->fail(body.error());
  const Checked<std::string> status = text_member(*body, "status", "/status");
  if (!status) return call->fail(status.error());
  if (*status != "active" && *status != "inactive") {
    return call->fail(malformed_body("/status: must be \"active\" or \"inactive\""));
  }
  set_status(call, *status == "active", kTries);
}

}  // namespace berth::api
