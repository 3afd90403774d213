// SPDX-License-Identifier: Apache-2.0
#include "api/action_put.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "entity/code_check.hpp"
#include "entity/entity.hpp"
#include "entity/identity.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxMainBytes = 1024;

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return text;
}

Failure unsupported_kind(std::string_view kind, const entity::RuntimesManifest& runtimes) {
  return {400, fmt::format("The specified runtime '{}' is not supported by this platform. "
                           "Valid values are: {}.",
                           kind, runtimes.kinds_text())};
}

// Sets the kind and checks what the kind wants of the other members.
std::optional<Failure> resolve_kind(entity::Exec& exec, std::string kind, bool has_code,
                                    const entity::RuntimesManifest& runtimes) {
  const std::string name = lower(kind);
  if (name == "blackbox") {
    exec.kind = name;
    if (exec.image.empty()) return wrong("/exec/image", "must name a container image");
    return std::nullopt;
  }
  const entity::Runtime* runtime = runtimes.find(kind);
  if (runtime == nullptr) return unsupported_kind(kind, runtimes);
  if (runtime->deprecated) return deprecated_kind(runtime->kind);
  exec.kind = runtime->kind;
  exec.image.clear();
  if (!has_code) {
    return malformed_body(fmt::format(
        "/exec/code: 'code' must be a string defined in 'exec' for '{}' actions", kind));
  }
  if (runtime->require_main && exec.main.empty()) {
    return malformed_body(fmt::format(
        "/exec/main: 'main' must be a string defined in 'exec' for '{}' actions", kind));
  }
  return std::nullopt;
}

// How many there may be depends on what they are; see sequence_check.hpp.
Checked<entity::Exec> parse_sequence(const json::object& object,
                                     const entity::LimitBounds& bounds) {
  const json::value* components = given(object, "components");
  const json::array* array = components != nullptr ? components->if_array() : nullptr;
  if (array == nullptr) return wrong("/exec/components", "must be an array of names of actions");
  if (array->empty()) return Failure{400, std::string(text::kEmptySequence)};
  if (array->size() > static_cast<std::size_t>(bounds.max_sequence_length)) {
    return Failure{400, std::string(text::kLongSequence)};
  }
  entity::Exec exec;
  exec.kind = "sequence";
  for (std::size_t i = 0; i < array->size(); ++i) {
    const json::string* name = (*array)[i].if_string();
    if (name == nullptr || entity::names_in_path({name->data(), name->size()}) < 2) {
      return wrong(fmt::format("/exec/components/{}", i),
                   "must be the full name of an action, as in \"/_/name\" or \"/_/package/name\"");
    }
    exec.components.push_back((name->starts_with('/') ? "" : "/") + std::string(*name));
  }
  return exec;
}

// A sequence's parameters are its components; what a client gives is dropped, as OpenWhisk does.
entity::Parameters sequence_parameters(const entity::Exec& exec) {
  json::array components(exec.components.begin(), exec.components.end());
  return {{.key = "_actions", .value = std::move(components)}};
}

Checked<entity::Exec> parse_exec(const json::value& value, const entity::RuntimesManifest& runtimes,
                                 const entity::LimitBounds& bounds) {
  const json::object* object = value.if_object();
  if (object == nullptr) return wrong("/exec", "must be an object");
  Checked<std::string> kind = text_member(*object, "kind", "/exec/kind");
  if (!kind) return kind.error();
  if (kind->empty()) return wrong("/exec/kind", "must be a string");
  if (lower(*kind) == "sequence") return parse_sequence(*object, bounds);

  entity::Exec exec;
  bool claimed_binary = false;
  if (const json::value* binary = given(*object, "binary")) {
    if (!binary->is_bool()) return wrong("/exec/binary", "must be true or false");
    claimed_binary = binary->get_bool();
  }
  // Java's older name for it.
  const bool is_jar = given(*object, "code") == nullptr && given(*object, "jar") != nullptr;
  Checked<std::string> code = is_jar ? text_member(*object, "jar", "/exec/jar")
                                     : text_member(*object, "code", "/exec/code");
  if (!code) return code.error();
  Checked<std::string> main = text_member(*object, "main", "/exec/main");
  if (!main) return main.error();
  if (main->size() > kMaxMainBytes) return wrong("/exec/main", "is longer than 1024 bytes");
  Checked<std::string> image = text_member(*object, "image", "/exec/image");
  if (!image) return image.error();

  const std::uint64_t size = code->size() + main->size();
  if (size > bounds.max_code_bytes) return too_large("exec", size, bounds.max_code_bytes);
  const bool has_code = !code->empty();
  exec.code = std::move(*code);
  exec.main = std::move(*main);
  exec.image = std::move(*image);
  exec.binary = entity::looks_binary(exec.code);
  if (auto failure = resolve_kind(exec, std::move(*kind), has_code, runtimes)) return *failure;
  if (has_code) {
    const Status status = entity::check_code(exec, claimed_binary);
    if (!status.ok()) return refused(status);
  }
  return exec;
}

Checked<entity::Limits> apply_limits(const ActionPut& put, const entity::Limits& base,
                                     const entity::LimitBounds& bounds) {
  if (!put.limits) return base;
  Result<entity::Limits> limits = entity::parse_limits(*put.limits, base, bounds);
  if (!limits) return refused(limits.error());
  return *limits;
}

entity::Limits standard_limits(const entity::LimitBounds& bounds) {
  return {.timeout_ms = bounds.timeout_ms.standard,
          .memory_mb = bounds.memory_mb.standard,
          .logs_mb = bounds.logs_mb.standard,
          .concurrency = bounds.concurrency.standard};
}

}  // namespace

Checked<ActionPut> parse_action_put(std::string_view body, const entity::RuntimesManifest& runtimes,
                                    const entity::LimitBounds& bounds) {
  if (body.empty()) return malformed_body("a JSON object is expected, and the body is empty");
  const Checked<json::object> root = parse_body(body);
  if (!root) return root.error();
  const json::object* object = &*root;
  Checked<CommonPut> common = parse_common(*object, bounds);
  if (!common) return common.error();

  ActionPut put;
  static_cast<CommonPut&>(put) = std::move(*common);
  if (const json::value* removed = given(*object, "delAnnotations")) {
    const json::array* array = removed->if_array();
    if (array == nullptr) return wrong("/delAnnotations", "must be an array of strings");
    for (std::size_t i = 0; i < array->size(); ++i) {
      const json::string* key = (*array)[i].if_string();
      if (key == nullptr) return wrong(fmt::format("/delAnnotations/{}", i), "must be a string");
      put.removed_annotations.emplace_back(key->data(), key->size());
    }
  }
  if (const json::value* limits = given(*object, "limits")) {
    // Over the standard ones here, so that what is wrong in any case is said before anything is
    // read.
    const auto checked = entity::parse_limits(*limits, standard_limits(bounds), bounds);
    if (!checked) return refused(checked.error());
    put.limits = *limits;
  }
  if (const json::value* exec = given(*object, "exec")) {
    auto parsed = parse_exec(*exec, runtimes, bounds);
    if (!parsed) return parsed.error();
    put.exec = std::move(*parsed);
  }
  return put;
}

Checked<entity::Action> create_action(ActionPut put, std::string namespace_name,
                                      std::string package, std::string name,
                                      const entity::LimitBounds& bounds, std::int64_t now_ms) {
  if (!put.exec) return Failure{400, "exec undefined"};
  const auto limits = apply_limits(put, standard_limits(bounds), bounds);
  if (!limits) return limits.error();
  entity::Action action;
  action.namespace_name = std::move(namespace_name);
  action.package = std::move(package);
  action.name = std::move(name);
  action.version = put.version.value_or("0.0.1");
  action.updated_ms = now_ms;
  action.publish = put.publish.value_or(false);
  action.exec = std::move(*put.exec);
  if (put.parameters) action.parameters = std::move(*put.parameters);
  if (put.annotations) action.annotations = std::move(*put.annotations);
  action.limits = *limits;
  if (!has_annotation(action.annotations, "provide-api-key")) {
    set_annotation(action.annotations, "provide-api-key", false);
  }
  set_annotation(action.annotations, "exec", json::value(action.exec.kind));
  action.set_flow();
  if (action.flow == entity::Flow::kSequence) {
    action.parameters = sequence_parameters(action.exec);
  }
  return action;
}

Checked<entity::Action> update_action(ActionPut put, const entity::Action& existing,
                                      const entity::LimitBounds& bounds, std::int64_t now_ms) {
  const auto limits = apply_limits(put, existing.limits, bounds);
  if (!limits) return limits.error();
  entity::Action action = existing;
  action.limits = *limits;
  action.version = put.version.value_or(next_version(existing.version));
  action.updated_ms = now_ms;
  action.publish = put.publish.value_or(existing.publish);
  if (put.exec) action.exec = std::move(*put.exec);
  if (put.parameters) {
    action.parameters = std::move(*put.parameters);
  } else if (existing.flow == entity::Flow::kSequence) {
    action.parameters.clear();
  }
  std::sort(put.removed_annotations.begin(), put.removed_annotations.end());
  std::erase_if(action.annotations, [&put](const entity::Parameter& annotation) {
    return std::binary_search(put.removed_annotations.begin(), put.removed_annotations.end(),
                              annotation.key);
  });
  if (put.annotations) action.annotations = entity::merge(action.annotations, *put.annotations);
  set_annotation(action.annotations, "exec", json::value(action.exec.kind));
  action.set_flow();
  if (action.flow == entity::Flow::kSequence) {
    action.parameters = sequence_parameters(action.exec);
  }
  return action;
}

}  // namespace berth::api
