// SPDX-License-Identifier: Apache-2.0
#include "activation/conductor_flow.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "base/json.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;

constexpr std::string_view kTooLong = "Too many actions in the composition.";
// What an action may return at most.
constexpr std::size_t kMaxDepth = 512;

// A value that must be an object: itself, or {key: value}.
json::object boxed(const json::value& value, std::string_view key) {
  if (const json::object* object = value.if_object()) return *object;
  return {{key, value}};
}

// The path "ns/[pkg/]name" that a conductor means by "/ns/[pkg/]name", "pkg/name" or "name".
std::optional<std::string> resolve_name(const json::value& value, std::string_view own) {
  const json::string* string = value.if_string();
  if (string == nullptr) return std::nullopt;
  std::string_view text(string->data(), string->size());
  const bool rooted = text.starts_with('/');
  if (rooted) text.remove_prefix(1);
  const auto segments = std::count(text.begin(), text.end(), '/') + 1;
  const bool has_namespace = rooted || segments == 3;
  if (segments > 3 || (has_namespace && segments < 2)) return std::nullopt;
  std::string path = has_namespace ? std::string() : std::string(own) + '/';
  for (std::string_view rest = text;;) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    if (!entity::is_entity_name(segment)) return std::nullopt;
    path += path.empty() && segment == "_" ? own : segment;
    if (end == rest.size()) return path;
    path += '/';
    rest.remove_prefix(end + 1);
  }
}

}  // namespace

void ConductorFlow::begin() {
  memory_mb_ = action().limits.memory_mb;
  ask(invocation().arguments);
}

void ConductorFlow::ask(std::string payload) {
  if (account()->conductors > 2 * context().options.max_steps) {
    return finish(application_error(kTooLong));
  }
  ++account()->conductors;
  if (!state_.empty() && !payload.starts_with('[')) {
    const Result<json::value> tree = parse_json(payload, kMaxDepth);
    json::object merged = tree && tree->is_object() ? tree->get_object() : json::object();
    for (const auto& [key, value] : std::exchange(state_, {})) merged[key] = value;
    payload = json::serialize(merged);
  }
  asking_ = true;
  run_action(invocation().action, payload);
}

void ConductorFlow::ask_with_error(std::string_view text) {
  ask(application_error(text).result);
}

void ConductorFlow::step_ended(Step step) {
  if (asking_) return decide(std::move(step));
  ask(std::move(step.result));
}

void ConductorFlow::decide(Step step) {
  asking_ = false;
  const Result<json::value> tree = parse_json(step.result, kMaxDepth);
  const json::object* answer = tree ? tree->if_object() : nullptr;
  if (answer == nullptr) return finish({step.outcome, std::move(step.result), step.size});
  const json::value* params = answer->if_contains("params");
  const json::value* state = answer->if_contains("state");
  const json::value* next = answer->if_contains("action");
  if (next == nullptr) {
    if (params != nullptr) {
      step.result = json::serialize(boxed(*params, "value"));
      step.size = step.result.size();
    }
    return finish({step.outcome, std::move(step.result), step.size});
  }
  state_ = state != nullptr ? boxed(*state, "state") : json::object();
  std::optional<std::string> path = resolve_name(*next, invocation().user.namespace_name);
  if (!path) {
    return ask_with_error("Failed to parse action name from json value " + json::serialize(*next) +
                          " during composition.");
  }
  if (account()->components >= context().options.max_steps) return ask_with_error(kTooLong);
  next_ = std::move(*path);
  payload_ = params != nullptr ? json::serialize(boxed(*params, "value")) : "{}";
  resolve(next_);
}

void ConductorFlow::resolved(Result<entity::ActionPtr> found) {
  if (!found) {
    const bool denied = found.error().code() == StatusCode::kPermissionDenied;
    return ask_with_error((denied ? "Failed entitlement check for action with name '"
                                  : "Failed to resolve action with name '") +
                          next_ + "' during composition.");
  }
  const entity::ActionPtr component = std::move(*found);
  // A composition in this one counts its own components here, too.
  const bool is_composition = component->flow == entity::Flow::kConductor;
  if (!is_composition) ++account()->components;
  run_step(component, std::move(payload_), is_composition ? account() : nullptr);
}

}  // namespace berth::activation
