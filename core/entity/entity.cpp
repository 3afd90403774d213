// SPDX-License-Identifier: Apache-2.0
#include "entity/entity.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <unordered_map>
#include <utility>

#include "base/json.hpp"
#include "entity/stored_reader.hpp"

namespace berth::entity {
namespace {

namespace json = boost::json;

// Deeper than what the API takes, so that what went in always comes out.
constexpr std::size_t kMaxDepth = 1024;

json::object binding_json(const PackageName& binding) {
  return {{"namespace", binding.namespace_name}, {"name", binding.name}};
}

json::object links_json(const Trigger& trigger) {
  json::object rules;
  for (const auto& [path, link] : trigger.rules) {
    rules.emplace(path, json::object{{"action", path_and_name(link.action)},
                                     {"status", link.active ? "active" : "inactive"}});
  }
  return rules;
}

Status damaged(Collection collection, std::string_view why) {
  return sdk::data_loss(std::string("stored entity of ")
                            .append(to_string(collection))
                            .append(" is damaged: ")
                            .append(why));
}

void read_common(StoredReader& reader, Entity& entity) {
  entity.namespace_name = reader.text("namespace");
  entity.name = reader.text("name");
  entity.version = reader.text("version");
  entity.updated_ms = reader.integer("updated");
  entity.publish = reader.flag("publish");
  entity.parameters = reader.parameters("parameters");
  entity.annotations = reader.parameters("annotations");
}

std::shared_ptr<Entity> read_package(StoredReader& reader, const json::object& root) {
  auto package = std::make_shared<Package>();
  if (root.contains("binding")) {
    const json::object object = reader.object("binding");
    StoredReader binding(object);
    package->binding = {binding.text("namespace"), binding.text("name")};
    if (!binding.failed().empty()) reader.fail("binding");
  }
  return package;
}

std::shared_ptr<Entity> read_trigger(StoredReader& reader) {
  auto trigger = std::make_shared<Trigger>();
  for (const auto& [path, value] : reader.object("rules")) {
    const json::object* object = value.if_object();
    if (object == nullptr) {
      reader.fail("rules");
      break;
    }
    StoredReader link(*object);
    trigger->rules[path] = {link.text("action"), link.flag("active")};
    if (!link.failed().empty()) reader.fail("rules");
  }
  return trigger;
}

std::shared_ptr<Entity> read_rule(StoredReader& reader) {
  auto rule = std::make_shared<Rule>();
  rule->trigger = reader.text("trigger");
  rule->action = reader.text("action");
  return rule;
}

std::shared_ptr<Entity> read_api(StoredReader& reader, const json::object& root) {
  auto api = std::make_shared<GatewayApi>();
  const json::value* keys = root.if_contains("keys");
  const json::array* list = keys != nullptr ? keys->if_array() : nullptr;
  if (list == nullptr) {
    reader.fail("keys");
    return api;
  }
  for (const json::value& value : *list) {
    const json::object* object = value.if_object();
    if (object == nullptr) {
      reader.fail("keys");
      break;
    }
    StoredReader key(*object);
    api->keys.push_back({key.text("id"), key.text("note"), key.text("digest"), key.text("secret"),
                         key.integer("created")});
    if (!key.failed().empty()) reader.fail("keys");
  }
  return api;
}

json::array keys_json(const GatewayApi& api) {
  json::array keys;
  for (const GatewayApi::Key& key : api.keys) {
    keys.push_back(json::object{{"id", key.id},
                                {"note", key.note},
                                {"digest", key.digest},
                                {"secret", key.secret_digest},
                                {"created", key.created_ms}});
  }
  return keys;
}

}  // namespace

const json::object* GatewayApi::document() const {
  for (const Parameter& parameter : parameters) {
    if (parameter.key == kDocument) return parameter.value.if_object();
  }
  return nullptr;
}

std::string_view to_string(Collection collection) {
  switch (collection) {
    case Collection::kPackages: return "packages";
    case Collection::kTriggers: return "triggers";
    case Collection::kRules: return "rules";
    case Collection::kApis: return "apis";
  }
  return "entities";
}

const json::value* Entity::annotation(std::string_view key) const {
  for (const Parameter& parameter : annotations) {
    if (parameter.key == key) return &parameter.value;
  }
  return nullptr;
}

json::object path_and_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {{"path", ""}, {"name", path}};
  return {{"path", path.substr(0, slash)}, {"name", path.substr(slash + 1)}};
}

json::object to_summary(const Entity& entity) {
  json::object object;
  object.emplace("namespace", entity.namespace_name);
  object.emplace("name", entity.name);
  object.emplace("version", entity.version);
  object.emplace("publish", entity.publish);
  object.emplace("annotations", to_json(entity.annotations));
  object.emplace("updated", entity.updated_ms);
  if (entity.collection() == Collection::kPackages) {
    const auto& package = static_cast<const Package&>(entity);
    object.emplace("binding", package.binding ? json::value(binding_json(*package.binding))
                                              : json::value(false));
  }
  return object;
}

json::object to_json(const Package& package) {
  json::object object = to_summary(package);
  object["binding"] = package.binding ? binding_json(*package.binding) : json::object();
  object.emplace("parameters", to_json(package.parameters));
  return object;
}

json::object to_json(const Trigger& trigger) {
  json::object object = to_summary(trigger);
  object.emplace("parameters", to_json(trigger.parameters));
  object.emplace("limits", json::object());
  if (!trigger.rules.empty()) object.emplace("rules", links_json(trigger));
  return object;
}

json::object to_json(const Rule& rule) {
  json::object object = to_summary(rule);
  object.emplace("trigger", path_and_name(rule.trigger));
  object.emplace("action", path_and_name(rule.action));
  return object;
}

std::string serialize(const Entity& entity) {
  json::object object;
  object.emplace("namespace", entity.namespace_name);
  object.emplace("name", entity.name);
  object.emplace("version", entity.version);
  object.emplace("updated", entity.updated_ms);
  object.emplace("publish", entity.publish);
  object.emplace("parameters", to_json(entity.parameters));
  object.emplace("annotations", to_json(entity.annotations));
  switch (entity.collection()) {
    case Collection::kPackages: {
      const auto& package = static_cast<const Package&>(entity);
      if (package.binding) object.emplace("binding", binding_json(*package.binding));
      break;
    }
    case Collection::kTriggers: {
      json::object rules;
      for (const auto& [path, link] : static_cast<const Trigger&>(entity).rules) {
        rules.emplace(path, json::object{{"action", link.action}, {"active", link.active}});
      }
      object.emplace("rules", std::move(rules));
      break;
    }
    case Collection::kRules: {
      const auto& rule = static_cast<const Rule&>(entity);
      object.emplace("trigger", rule.trigger);
      object.emplace("action", rule.action);
      break;
    }
    case Collection::kApis:
      object.emplace("keys", keys_json(static_cast<const GatewayApi&>(entity)));
      break;
  }
  return json::serialize(object);
}

Result<std::shared_ptr<Entity>> deserialize_entity(Collection collection, std::string_view text) {
  const auto tree = parse_json(text, kMaxDepth);
  if (!tree) return damaged(collection, tree.error().message());
  const json::object* root = tree->if_object();
  if (root == nullptr) return damaged(collection, "not an object");
  StoredReader reader(*root);
  std::shared_ptr<Entity> entity;
  switch (collection) {
    case Collection::kPackages: entity = read_package(reader, *root); break;
    case Collection::kTriggers: entity = read_trigger(reader); break;
    case Collection::kRules: entity = read_rule(reader); break;
    case Collection::kApis: entity = read_api(reader, *root); break;
  }
  if (!entity) return damaged(collection, "of no kind that is known");
  read_common(reader, *entity);
  if (!reader.failed().empty()) return damaged(collection, "member " + reader.failed());
  return entity;
}

Parameters merge(const Parameters& under, const Parameters& over) {
  Parameters merged = under;
  if (over.empty()) return merged;
  merged.reserve(under.size() + over.size());
  std::unordered_map<std::string_view, std::size_t> places;
  places.reserve(under.size());
  for (std::size_t i = 0; i < under.size(); ++i) places.try_emplace(under[i].key, i);
  for (const Parameter& parameter : over) {
    const auto [same, is_new] = places.try_emplace(parameter.key, merged.size());
    if (is_new) {
      merged.push_back(parameter);
    } else {
      merged[same->second] = parameter;
    }
  }
  return merged;
}

}  // namespace berth::entity
