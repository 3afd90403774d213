// SPDX-License-Identifier: Apache-2.0
#include "serverless_file.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <map>
#include <utility>

#include "names.hpp"
#include "project_api.hpp"
#include "project_builder.hpp"
#include "project_code.hpp"
#include "project_node.hpp"
#include "serverless_http.hpp"
#include "serverless_package.hpp"
#include "serverless_variables.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr const char* kAlarms = "/whisk.system/alarms/alarm";

// The extension of a handler's file, by the runtime's family.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kExtensions = {{
    {"nodejs", ".js"},
    {"python", ".py"},
    {"php", ".php"},
    {"ruby", ".rb"},
    {"swift", ".swift"},
}};

std::string family_of(const std::string& runtime) {
  return runtime.substr(0, runtime.find_first_of(":@"));
}

bool is_from_environment(const YamlNode& node) {
  return node.from_environment ||
         std::any_of(node.items.begin(), node.items.end(), is_from_environment) ||
         std::any_of(node.members.begin(), node.members.end(),
                     [](const YamlMember& member) { return is_from_environment(member.value); });
}

class Reader : ProjectBuilder {
 public:
  explicit Reader(const std::string& file) : ProjectBuilder(file) {}

  Project read(const YamlNode& root);

 private:
  void read_service(const ProjectNode& top);
  void read_provider(const YamlNode& value);
  void read_function(const std::string& name, const ProjectNode& node);
  void read_handler(const ProjectNode& node, ProjectEntity& action);
  void read_sequence(const ProjectNode& node, ProjectEntity& action);
  void read_event(const std::string& function, const ProjectNode& node);
  void read_schedule(const std::string& function, const YamlNode& value, const ProjectNode& event);
  void read_trigger_event(const std::string& function, const YamlNode& value,
                          const ProjectNode& event);
  void read_resources(const YamlNode& value);
  void read_package(const std::string& name, const YamlNode& value);
  void read_trigger(const std::string& name, const YamlNode& value);

  json::object limits_of(const ProjectNode& node);
  json::object values(const ProjectNode& node, std::string_view key, std::set<std::string>& hidden);
  void add(ProjectEntity entity, const ProjectNode& node);
  void add_rule(const std::string& name, const std::string& trigger, const std::string& function,
                const ProjectNode& node);
  const YamlNode* setting(const ProjectNode& node, const char* key) const;

  std::string service_;
  std::string stage_ = "dev";
  std::map<std::string, YamlNode, std::less<>> provider_;  // what functions may leave to it
  std::map<std::string, std::string> actions_;             // by the names of functions
  std::string artifact_;                                   // zip of all functions; empty: none
  PackagePatterns patterns_;                               // of the files that go with them
  // Of all HTTP events.
  ProjectEntity api_;
  // Triggers that are only named get made, unless they are described somewhere.
  std::map<std::string, ProjectEntity> named_triggers_;
};

void Reader::add(ProjectEntity entity, const ProjectNode& node) {
  if (const auto line = line_of(entity.kind, entity.name)) {
    node.fail(node.node(), std::string("would be the ") + word_of(entity.kind) + " '" +
                               entity.name + "', as what is in line " + std::to_string(*line) +
                               ": give one another name");
  }
  put(std::move(entity));
}

// A function's own, else the provider's.
const YamlNode* Reader::setting(const ProjectNode& node, const char* key) const {
  if (const YamlNode* own = node.find(key)) return own;
  const auto found = provider_.find(key);
  return found != provider_.end() ? &found->second : nullptr;
}

json::object Reader::values(const ProjectNode& node, std::string_view key,
                            std::set<std::string>& hidden) {
  json::object out;
  const YamlNode* given = node.find(key);
  if (given == nullptr) return out;
  const ProjectNode all(project_.file, *given, node.owner() + ", " + std::string(key));
  for (const auto& [name, value] : all.node().members) {
    if (is_from_environment(value)) hidden.insert(name);
    out[name] = to_json(value);
  }
  return out;
}

json::object Reader::limits_of(const ProjectNode& node) {
  json::object limits;
  const auto take = [&](const char* key, const char* limit, double factor) {
    const YamlNode* value = setting(node, key);
    if (value == nullptr) return;
    if (!value->scalar.is_number()) {
      node.fail(*value, std::string("'") + key +
                            "' must be a number without a unit: timeouts are in seconds, memory "
                            "and logs in MB");
    }
    limits[limit] = static_cast<std::int64_t>(value->scalar.to_number<double>() * factor + 0.5);
  };
  take("timeout", "timeout", 1000);
  take("memory", "memory", 1);
  take("logs", "logs", 1);
  take("concurrency", "concurrency", 1);
  return limits;
}

void Reader::read_handler(const ProjectNode& node, ProjectEntity& action) {
  std::string handler = node.text("handler");
  const YamlNode* runtime_node = setting(node, "runtime");
  std::string runtime = "nodejs:default";
  if (runtime_node != nullptr) {
    if (!runtime_node->scalar.is_string()) node.fail(*runtime_node, "'runtime' must be a text");
    runtime = std::string(runtime_node->scalar.get_string());
  }
  const std::string family = family_of(runtime);
  json::object& exec = action.exec;
  if (family == "docker") {
    exec = {{"kind", "blackbox"}, {"image", handler}};
    return;
  }
  const YamlNode* image = setting(node, "image");
  if (image != nullptr) {
    if (!image->scalar.is_string()) node.fail(*image, "'image' must be a text");
    exec["kind"] = "blackbox";
    exec["image"] = image->scalar;
  }
  const std::string kind = runtime_kind(family == "binary" ? "native:default" : runtime);
  const YamlNode& at = *node.find("handler");
  const auto known = std::find_if(kExtensions.begin(), kExtensions.end(),
                                  [&family](const auto& one) { return one.first == family; });
  handler = std::filesystem::path(handler).lexically_normal().generic_string();
  if (handler.starts_with("../") || handler.starts_with('/')) {
    node.fail(at, "'handler' must be a file of this file's folder");
  }
  // "folder/file.function"; of what is no source the whole is the file.
  const std::size_t dot = handler.find('.', handler.rfind('/') + 1);
  const std::string main = dot == std::string::npos ? "" : handler.substr(dot + 1);
  std::string artifact = artifact_;
  PackagePatterns patterns = patterns_;
  if (const YamlNode* package = node.find("package")) {
    const ProjectNode own(project_.file, *package, node.owner() + ", package");
    own.only({"artifact", "individually", "patterns", "include", "exclude"});
    patterns.read(own);
    if (own.find("artifact") != nullptr) {
      artifact = own.text("artifact");
    } else if (own.find("patterns") || own.find("include") || own.find("exclude")) {
      artifact.clear();  // what a function says of itself goes before what all have
    }
  }
  if (!artifact.empty()) {
    read_code_file(node, at, folder_ / artifact, kind, exec);
    // In a zip of Node.js's the function is found by its file.
    if (!main.empty()) exec["main"] = family == "nodejs" ? handler : main;
    return;
  }
  if (known == kExtensions.end()) {
    read_code_file(node, at, folder_ / handler, kind, exec);
    return;
  }
  if (main.empty()) {
    node.fail(at, "'handler' must be FILE.FUNCTION, as 'index.main'");
  }
  const std::string file = handler.substr(0, dot) + std::string(known->second);
  if (!patterns.empty()) {
    zip_service(node, {file, family, at}, folder_, patterns, kind, exec);
    exec["main"] = family == "nodejs" ? handler : main;
    return;
  }
  read_code_file(node, at, folder_ / file, kind, exec);
  exec["main"] = main;
}

void Reader::read_sequence(const ProjectNode& node, ProjectEntity& action) {
  const YamlNode& list = *node.find("sequence");
  if (list.kind != YamlNode::Kind::kList || list.items.empty()) {
    node.fail(list, "'sequence' must be a list of functions");
  }
  json::array components;
  for (const YamlNode& item : list.items) {
    const json::string* name = item.scalar.if_string();
    if (name == nullptr || name->empty()) node.fail(item, "'sequence' must have names");
    const std::string text(*name);
    if (text.starts_with('/')) {
      components.push_back(json::string(text));
      continue;
    }
    const auto found = actions_.find(text);
    if (found == actions_.end()) {
      node.fail(item, "there is no function '" + text +
                          "' in this file: name another's action as /NAMESPACE/ACTION");
    }
    components.push_back(json::string(qualified(found->second)));
  }
  action.exec = {{"kind", "sequence"}, {"components", std::move(components)}};
}

void Reader::read_function(const std::string& name, const ProjectNode& node) {
  node.only({"handler", "sequence", "name", "runtime", "image", "memory", "timeout", "logs",
             "concurrency", "parameters", "annotations", "events", "package", "description",
             "overwrite"});
  ProjectEntity action = begin(EntityKind::kAction, actions_.at(name), node);
  const bool has_handler = node.find("handler") != nullptr;
  if (has_handler == (node.find("sequence") != nullptr)) {
    node.fail(node.node(), "give either 'handler' or 'sequence'");
  }
  has_handler ? read_handler(node, action) : read_sequence(node, action);
  action.limits = limits_of(node);
  action.inputs = values(node, "parameters", action.hidden);
  if (!action.inputs.empty() && !has_handler) {
    node.fail(*node.find("parameters"), "a sequence has no parameters of its own");
  }
  for (const auto& [key, value] : values(node, "annotations", action.hidden_annotations)) {
    action.annotations[key] = value;
  }
  if (has_http_event(node)) export_to_gateway(action);
  // As the framework's plugin for OpenWhisk describes none, this is ours.
  if (node.find("description") != nullptr) {
    action.annotations["description"] = node.text("description");
  }
  // An action in a package that nothing describes.
  if (const std::size_t slash = action.name.find('/'); slash != std::string::npos) {
    const std::string package = action.name.substr(0, slash);
    if (!line_of(EntityKind::kPackage, package)) {
      add(begin(EntityKind::kPackage, package, node), node);
    }
  }
  add(std::move(action), node);
  const YamlNode* events = node.find("events");
  if (events == nullptr) return;
  if (events->kind == YamlNode::Kind::kMap || events->scalar.is_string()) {
    node.fail(*events, "'events' must be a list, as '- schedule: cron(0 * * * *)'");
  }
  for (const YamlNode& item : events->items) {
    read_event(name, ProjectNode(project_.file, item, node.owner() + ", events"));
  }
}

void Reader::read_event(const std::string& function, const ProjectNode& node) {
  for (const auto& [kind, value] : node.node().members) {
    if (kind == "schedule") {
      read_schedule(function, value, node);
    } else if (kind == "trigger") {
      read_trigger_event(function, value, node);
    } else if (kind == "http") {
      if (api_.line == 0) api_.line = value.line;
      add_operation(api_, read_http_event(value, node, qualified(actions_.at(function))), node,
                    value);
    } else {
      node.fail(value, "events of the kind '" + kind +
                           "' are not known: there are http, schedule and trigger");
    }
  }
}

void Reader::add_rule(const std::string& name, const std::string& trigger,
                      const std::string& function, const ProjectNode& node) {
  ProjectEntity rule = begin(EntityKind::kRule, name, node);
  rule.trigger = qualified(trigger);
  rule.action = qualified(actions_.at(function));
  add(std::move(rule), node);
}

// "cron(* * * * *)", or a map with it as `rate`.
void Reader::read_schedule(const std::string& function, const YamlNode& value,
                           const ProjectNode& event) {
  std::string rate;
  std::string trigger_name = service_ + '_' + function + "_schedule_trigger";
  std::string rule_name = service_ + '_' + function + "_schedule_rule";
  ProjectEntity trigger = begin(EntityKind::kTrigger, trigger_name, event);
  json::object payload;
  json::object inputs;
  if (value.scalar.is_string()) {
    rate = std::string(value.scalar.get_string());
  } else {
    const ProjectNode node(project_.file, value, event.owner() + ", schedule");
    if (const YamlNode* most = node.find("max")) {
      node.fail(*most, "'max' is not known to Berth's alarms: give a 'stopDate'");
    }
    node.only({"rate", "trigger", "rule", "params", "timezone", "strict", "startDate", "stopDate"});
    rate = node.text("rate", true);
    if (node.find("trigger") != nullptr) trigger.name = node.text("trigger");
    if (node.find("rule") != nullptr) rule_name = node.text("rule");
    payload = values(node, "params", trigger.hidden);
    if (!trigger.hidden.empty()) trigger.hidden = {"trigger_payload"};
    for (const char* key : {"timezone", "strict", "startDate", "stopDate"}) {
      if (const YamlNode* given = node.find(key)) inputs[key] = to_json(*given);
    }
  }
  if (!rate.starts_with("cron(") || !rate.ends_with(')')) {
    event.fail(value, "'schedule' must be as \"cron(0 * * * *)\"");
  }
  inputs["cron"] = rate.substr(5, rate.size() - 6);
  inputs["trigger_payload"] = json::serialize(payload);
  trigger.inputs = std::move(inputs);
  trigger.feed = kAlarms;
  trigger_name = trigger.name;
  add(std::move(trigger), event);
  add_rule(rule_name, trigger_name, function, event);
}

// "name", or {name, rule}.
void Reader::read_trigger_event(const std::string& function, const YamlNode& value,
                                const ProjectNode& event) {
  std::string trigger;
  std::string rule;
  if (value.kind == YamlNode::Kind::kMap) {
    const ProjectNode node(project_.file, value, event.owner() + ", trigger");
    node.only({"name", "rule", "overwrite"});
    trigger = node.text("name", true);
    if (node.find("rule") != nullptr) rule = node.text("rule");
  } else {
    trigger = event.text("trigger");
  }
  if (rule.empty()) rule = service_ + '_' + trigger + "_to_" + function;
  named_triggers_.emplace(trigger, begin(EntityKind::kTrigger, trigger, event));
  add_rule(rule, trigger, function, event);
}

void Reader::read_trigger(const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "trigger '" + name + "'");
  node.only({"parameters", "feed", "feed_parameters", "overwrite"});
  ProjectEntity trigger = begin(EntityKind::kTrigger, name, node);
  const bool has_feed = node.find("feed") != nullptr;
  if (has_feed && node.find("parameters") != nullptr) {
    node.fail(*node.find("parameters"),
              "a trigger with a feed has 'feed_parameters' and no others of its own");
  }
  if (!has_feed && node.find("feed_parameters") != nullptr) {
    node.fail(*node.find("feed_parameters"), "'feed_parameters' need a 'feed'");
  }
  if (has_feed) trigger.feed = qualified(node.text("feed"));
  trigger.inputs = values(node, has_feed ? "feed_parameters" : "parameters", trigger.hidden);
  add(std::move(trigger), node);
}

void Reader::read_package(const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "package '" + name + "'");
  node.only({"name", "parameters", "annotations", "shared", "binding", "overwrite"});
  ProjectEntity package =
      begin(EntityKind::kPackage, node.find("name") != nullptr ? node.text("name") : name, node);
  package.inputs = values(node, "parameters", package.hidden);
  for (const auto& [key, annotation] : values(node, "annotations", package.hidden_annotations)) {
    package.annotations[key] = annotation;
  }
  package.is_public = node.flag("shared", false);
  if (const YamlNode* binding = node.find("binding")) {
    package.binding = node.text("binding");
    if (!package.binding.starts_with('/') ||
        std::count(package.binding.begin(), package.binding.end(), '/') != 2) {
      node.fail(*binding, "'binding' must be /NAMESPACE/PACKAGE");
    }
  }
  add(std::move(package), node);
}

void Reader::read_resources(const YamlNode& value) {
  const ProjectNode resources(project_.file, value, "resources");
  resources.only({"triggers", "packages", "apigw"});
  if (const YamlNode* gateway = resources.find("apigw")) {
    read_gateway(ProjectNode(project_.file, *gateway, "resources, apigw"), api_);
  }
  if (const YamlNode* packages = resources.find("packages")) {
    const ProjectNode all(project_.file, *packages, "resources, packages");
    for (const auto& [name, package] : all.node().members) read_package(name, package);
  }
  if (const YamlNode* triggers = resources.find("triggers")) {
    const ProjectNode all(project_.file, *triggers, "resources, triggers");
    for (const auto& [name, trigger] : all.node().members) read_trigger(name, trigger);
  }
}

void Reader::read_provider(const YamlNode& value) {
  const ProjectNode provider(project_.file, value, "provider");
  provider.only({"name", "runtime", "image", "memory", "timeout", "logs", "concurrency", "stage",
                 "ignore_certs", "overwrite"});
  const std::string name = provider.text("name", true);
  if (name != "openwhisk") {
    provider.fail(*provider.find("name"),
                  "is for " + name + ": only files with the provider openwhisk are read");
  }
  if (provider.find("stage") != nullptr) stage_ = provider.text("stage");
  for (const auto& [key, setting] : provider.node().members) provider_[key] = setting;
}

void Reader::read_service(const ProjectNode& top) {
  const YamlNode& service = *top.find("service");
  if (service.kind == YamlNode::Kind::kMap) {
    const ProjectNode node(project_.file, service, "service");
    node.only({"name"});
    service_ = node.text("name", true);
  } else {
    service_ = top.text("service");
  }
}

Project Reader::read(const YamlNode& root) {
  const ProjectNode top(project_.file, root, "");
  // What says how the framework itself is to work has no meaning here.
  top.only({"service", "provider", "functions", "resources", "package", "custom", "plugins",
            "frameworkVersion", "configValidationMode", "useDotenv", "variablesResolutionMode",
            "deprecationNotificationMode", "disabledDeprecations", "app", "org"});
  read_service(top);
  const YamlNode* provider = top.find("provider");
  if (provider == nullptr) fail_at(project_.file, 0, "'provider' is missing: name: openwhisk");
  if (provider->scalar.is_string()) {
    if (provider->scalar.get_string() != "openwhisk") {
      top.fail(*provider, "only files with the provider openwhisk are read");
    }
  } else {
    read_provider(*provider);
  }
  // What is marked as one stage's is not another's to change or to remove.
  project_.name = service_ + '-' + stage_;
  if (const YamlNode* package = top.find("package")) {
    const ProjectNode node(project_.file, *package, "package");
    node.only(
        {"artifact", "individually", "patterns", "include", "exclude", "excludeDevDependencies"});
    if (node.find("artifact") != nullptr) artifact_ = node.text("artifact");
    patterns_.read(node);
  }
  api_.kind = EntityKind::kApi;
  api_.name = "/";
  api_.title = service_;
  if (const YamlNode* resources = top.find("resources")) read_resources(*resources);
  if (const YamlNode* functions = top.find("functions")) {
    const ProjectNode all(project_.file, *functions, "functions");
    // Sequences name functions that come later, too.
    for (const auto& [name, value] : all.node().members) {
      const ProjectNode node(project_.file, value, "function '" + name + "'");
      actions_[name] =
          node.find("name") != nullptr ? node.text("name") : service_ + '-' + stage_ + '-' + name;
    }
    for (const auto& [name, value] : all.node().members) {
      read_function(name, ProjectNode(project_.file, value, "function '" + name + "'"));
    }
  }
  for (auto& [name, trigger] : named_triggers_) {
    if (!line_of(EntityKind::kTrigger, name)) put(std::move(trigger));
  }
  if (!api_.operations.empty()) project_.entities.push_back(std::move(api_));
  return std::move(project_);
}

}  // namespace

bool is_serverless(const YamlNode& root) {
  return std::any_of(root.members.begin(), root.members.end(),
                     [](const YamlMember& member) { return member.key == "service"; });
}

Project read_serverless(const std::string& file, const YamlNode& root) {
  YamlNode resolved = root;
  resolve_variables(file, resolved);
  return Reader(file).read(resolved);
}

}  // namespace berth::cli
