// SPDX-License-Identifier: Apache-2.0
#include "entity/action.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <unordered_map>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "entity/json_read.hpp"
#include "entity/stored_reader.hpp"

namespace berth::entity {
namespace {

boost::json::array components_json(const Exec& exec) {
  boost::json::array components;
  components.reserve(exec.components.size());
  for (const std::string& component : exec.components) components.emplace_back(component);
  return components;
}

boost::json::object exec_json(const Exec& exec, bool with_code) {
  boost::json::object object;
  object.emplace("kind", exec.kind);
  if (exec.kind == "sequence") {
    object.emplace("components", components_json(exec));
    return object;
  }
  if (exec.kind == "blackbox") object.emplace("image", exec.image);
  if (with_code && !exec.code.empty()) object.emplace("code", exec.code);
  if (!exec.main.empty()) object.emplace("main", exec.main);
  object.emplace("binary", exec.binary);
  return object;
}

}  // namespace

std::string Action::path() const {
  std::string text = namespace_path();
  return text.append("/").append(name);
}

std::string Action::namespace_path() const {
  std::string text;
  text.reserve(namespace_name.size() + package.size() + name.size() + 2);
  text = namespace_name;
  if (!package.empty()) text.append("/").append(package);
  return text;
}

void Action::set_flow() {
  if (exec.kind == "sequence") {
    flow = Flow::kSequence;
    return;
  }
  const boost::json::value* conductor = annotation("conductor");
  flow = conductor != nullptr && is_truthy(*conductor) ? Flow::kConductor : Flow::kNone;
}

const boost::json::value* Action::annotation(std::string_view key) const {
  for (const Parameter& parameter : annotations) {
    if (parameter.key == key) return &parameter.value;
  }
  return nullptr;
}

bool is_truthy(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return false;
    case boost::json::kind::bool_: return value.get_bool();
    case boost::json::kind::int64: return value.get_int64() != 0;
    case boost::json::kind::uint64: return value.get_uint64() != 0;
    case boost::json::kind::double_: return value.get_double() != 0;
    case boost::json::kind::string: return !value.get_string().empty();
    case boost::json::kind::array:
    case boost::json::kind::object: return true;
  }
  return false;
}

Result<Parameters> parse_parameters(const boost::json::value& json, std::string_view what) {
  const std::string pointer = std::string("/").append(what);
  const auto* array = json.if_array();
  if (array == nullptr) return bad_json(pointer, "must be an array of {\"key\", \"value\"}");
  Parameters parameters;
  parameters.reserve(array->size());
  // An annotation is never encrypted: what a client says of it is not kept.
  const bool may_be_sealed = what != "annotations";
  std::unordered_map<std::string_view, std::size_t> places;  // by the keys in `json`
  places.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string place = pointer + "/" + std::to_string(i);
    const auto* object = (*array)[i].if_object();
    if (object == nullptr) return bad_json(place, "must be an object with key and value");
    const auto* key = object->if_contains("key");
    if (key == nullptr) return bad_json(place, "has no key");
    auto name = read_string(*key, place + "/key");
    if (!name) return name.error();
    if (name->empty()) return bad_json(place + "/key", "must not be empty");
    // A key alone is what clients make of an undefined value.
    const auto* value = object->if_contains("value");
    bool init = false;
    if (const auto* member = given(*object, "init")) {
      const auto flag = read_bool(*member, place + "/init");
      if (!flag) return flag.error();
      init = *flag;
    }
    Parameter parameter{std::move(*name), value != nullptr ? *value : boost::json::value(), init};
    if (const auto* member = given(*object, "encryption"); member != nullptr && may_be_sealed) {
      auto encryption = read_string(*member, place + "/encryption");
      if (!encryption) return encryption.error();
      if (!encryption->empty()) {
        const auto* sealed = parameter.value.if_string();
        if (sealed == nullptr) return bad_json(place + "/value", "must be a string if encrypted");
        parameter.sealed.assign(sealed->data(), sealed->size());
        parameter.value = nullptr;
        parameter.encryption = std::move(*encryption);
      }
    }
    // A key given twice keeps its first place and its last value.
    const auto [known, is_new] = places.try_emplace(
        std::string_view(key->get_string().data(), key->get_string().size()), parameters.size());
    if (is_new) {
      parameters.push_back(std::move(parameter));
    } else {
      parameters[known->second] = std::move(parameter);
    }
  }
  return parameters;
}

boost::json::array to_json(const Parameters& parameters) {
  boost::json::array array;
  array.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    boost::json::object object;
    object.emplace("key", parameter.key);
    if (parameter.encryption.empty()) {
      object.emplace("value", parameter.value);
    } else {
      object.emplace("value", parameter.sealed);
    }
    if (parameter.init) object.emplace("init", true);
    if (!parameter.encryption.empty()) object.emplace("encryption", parameter.encryption);
    array.emplace_back(std::move(object));
  }
  return array;
}

boost::json::object to_json(const Action& action, bool with_code) {
  boost::json::object object;
  object.emplace("namespace", action.namespace_path());
  object.emplace("name", action.name);
  object.emplace("version", action.version);
  object.emplace("publish", action.publish);
  object.emplace("updated", action.updated_ms);
  object.emplace("exec", exec_json(action.exec, with_code));
  object.emplace("parameters", to_json(action.parameters));
  object.emplace("annotations", to_json(action.annotations));
  object.emplace("limits", to_json(action.limits));
  return object;
}

boost::json::object to_summary(const Action& action) {
  boost::json::object object;
  object.emplace("namespace", action.namespace_path());
  object.emplace("name", action.name);
  object.emplace("version", action.version);
  object.emplace("publish", action.publish);
  object.emplace("updated", action.updated_ms);
  object.emplace("exec", boost::json::object{{"binary", action.exec.binary}});
  object.emplace("annotations", to_json(action.annotations));
  object.emplace("limits", to_json(action.limits));
  return object;
}

std::string serialize(const Action& action) {
  boost::json::object exec;
  exec.emplace("kind", action.exec.kind);
  exec.emplace("image", action.exec.image);
  exec.emplace("code", action.exec.code);
  exec.emplace("main", action.exec.main);
  exec.emplace("binary", action.exec.binary);
  exec.emplace("components", components_json(action.exec));
  boost::json::object object;
  object.emplace("namespace", action.namespace_name);
  object.emplace("package", action.package);
  object.emplace("name", action.name);
  object.emplace("version", action.version);
  object.emplace("updated", action.updated_ms);
  object.emplace("revision", static_cast<std::int64_t>(action.revision));
  object.emplace("publish", action.publish);
  object.emplace("exec", std::move(exec));
  object.emplace("parameters", to_json(action.parameters));
  object.emplace("annotations", to_json(action.annotations));
  object.emplace("limits", to_json(action.limits));
  return boost::json::serialize(object);
}

Result<Action> deserialize_action(std::string_view text) {
  // Deeper than what the API takes, so that what went in always comes out.
  const auto json = parse_json(text, 1024);
  if (!json) return sdk::data_loss("stored action is damaged: " + json.error().message());
  const auto* root = json->if_object();
  if (root == nullptr) return sdk::data_loss("stored action is damaged: not an object");
  StoredReader reader(*root);
  Action action;
  action.namespace_name = reader.text("namespace");
  action.package = reader.text("package");
  action.name = reader.text("name");
  action.version = reader.text("version");
  action.updated_ms = reader.integer("updated");
  action.revision = static_cast<std::uint64_t>(reader.integer("revision"));
  action.publish = reader.flag("publish");
  action.parameters = reader.parameters("parameters");
  action.annotations = reader.parameters("annotations");

  const boost::json::object exec_object = reader.object("exec");
  StoredReader exec(exec_object);
  action.exec.kind = exec.text("kind");
  action.exec.image = exec.text("image");
  action.exec.code = exec.text("code");
  action.exec.main = exec.text("main");
  action.exec.binary = exec.flag("binary");
  if (const auto* components = exec_object.if_contains("components");
      components != nullptr && components->is_array()) {
    for (const auto& component : components->get_array()) {
      if (!component.is_string()) {
        exec.fail("components");
        break;
      }
      action.exec.components.emplace_back(component.get_string().c_str(),
                                          component.get_string().size());
    }
  } else {
    exec.fail("components");
  }

  const boost::json::object limits_object = reader.object("limits");
  StoredReader limits(limits_object);
  action.limits.timeout_ms = limits.integer("timeout");
  action.limits.memory_mb = limits.integer("memory");
  action.limits.logs_mb = limits.integer("logs");
  action.limits.concurrency = limits.integer("concurrency");

  for (const StoredReader* part : {&reader, &exec, &limits}) {
    if (!part->failed().empty()) {
      return sdk::data_loss("stored action is damaged: member " + part->failed());
    }
  }
  action.set_flow();
  return action;
}

bool looks_binary(std::string_view code) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const std::size_t first = code.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return false;
  const std::size_t last = code.find_last_not_of(kBlank);
  return is_base64(code.substr(first, last - first + 1));
}

}  // namespace berth::entity
