// SPDX-License-Identifier: Apache-2.0
#include "deploy_file.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>
#include <utility>

#include "base/files.hpp"
#include "exit_code.hpp"
#include "names.hpp"
#include "project_api.hpp"
#include "project_builder.hpp"
#include "project_code.hpp"
#include "project_node.hpp"
#include "serverless_file.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr std::size_t kMaxNesting = 50;  // of sequences

class Reader : ProjectBuilder {
 public:
  explicit Reader(const std::string& file) : ProjectBuilder(file) {}

  Project read(const YamlNode& root);

 private:
  void read_package(const std::string& name, const YamlNode& node);
  void read_action(const std::string& package, const std::string& name, const YamlNode& node);
  void read_sequence(const std::string& package, const std::string& name, const YamlNode& node);
  void read_trigger(const std::string& name, const YamlNode& node);
  void read_rule(const std::string& package, const std::string& name, const YamlNode& node);
  void read_binding(const std::string& name, const YamlNode& node);
  void read_api(const std::string& package, const std::string& name, const YamlNode& node);
  ProjectEntity& api_of(const std::string& base_path, const std::string& title,
                        const ProjectNode& node);

  ProjectEntity entity(EntityKind kind, const std::string& name, const ProjectNode& node);
  void read_code(const ProjectNode& node, json::object& exec);
  json::object read_limits(const ProjectNode& node);
  void export_to_web(const ProjectNode& node, json::object& annotations);
  void add(ProjectEntity entity, const ProjectNode& node);
  template <typename Read>
  void each(const ProjectNode& package, std::string_view key, Read read);
};

// An action of the same package unless the name has a package or a namespace of its own.
std::string action_name(const std::string& package, const std::string& name) {
  const bool is_whole = package.empty() || name.find('/') != std::string::npos;
  return qualified(is_whole ? name : package + '/' + name);
}

ProjectEntity Reader::entity(EntityKind kind, const std::string& name, const ProjectNode& node) {
  ProjectEntity out = begin(kind, name, node);
  json::object annotations = node.annotations();
  if (node.find("description") != nullptr) annotations["description"] = node.text("description");
  for (const char* reserved : {kProjectAnnotation, "exec", "binding"}) {
    if (annotations.contains(reserved)) {
      node.fail(node.node(),
                std::string("the annotation '") + reserved + "' is not for files: leave it out");
    }
  }
  out.annotations.insert(annotations.begin(), annotations.end());
  return out;
}

void Reader::add(ProjectEntity entity, const ProjectNode& node) {
  const std::string last = entity.name.substr(entity.name.find('/') + 1);
  if (last.empty() || last.find('/') != std::string::npos) {
    node.fail(node.node(), "a name must not be empty, and has no '/'");
  }
  if (const auto line = line_of(entity.kind, entity.name)) {
    node.fail(node.node(), "is in the file already, in line " + std::to_string(*line) +
                               ": give one of them another name");
  }
  put(std::move(entity));
}

json::object Reader::read_limits(const ProjectNode& node) {
  json::object out;
  const YamlNode* given = node.find("limits");
  if (given == nullptr) return out;
  const ProjectNode limits(project_.file, *given, node.owner() + ", limits");
  limits.only({"timeout", "memorySize", "logSize", "concurrency", "memory", "logs"});
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"timeout", "timeout"}, {"memorySize", "memory"}, {"memory", "memory"},
      {"logSize", "logs"},    {"logs", "logs"},         {"concurrency", "concurrency"},
  };
  for (const auto& [key, name] : kNames) {
    const YamlNode* value = limits.find(key);
    if (value == nullptr) continue;
    if (!value->scalar.is_int64()) {
      limits.fail(*value, std::string("'") + key +
                              "' must be a number without a unit: timeouts are in milliseconds, "
                              "sizes in MB");
    }
    if (out.contains(name)) limits.fail(*value, std::string("'") + name + "' is given twice");
    out[name] = value->scalar;
  }
  return out;
}

// As `berth action create --web` does it; what the annotations of the file say comes first.
void Reader::export_to_web(const ProjectNode& node, json::object& annotations) {
  const YamlNode* web = node.find("web");
  if (web == nullptr) return;
  const bool raw = web->scalar.is_string() && web->scalar.get_string() == "raw";
  if (!raw && !node.flag("web", false)) return;
  annotations.emplace("web-export", true);
  annotations.emplace("raw-http", raw);
  annotations.emplace("final", true);
}

void Reader::read_code(const ProjectNode& node, json::object& exec) {
  const std::string runtime =
      runtime_kind(node.text(node.find("kind") != nullptr ? "kind" : "runtime"));
  const std::string image = node.text("docker");
  const YamlNode* function = node.find("function");
  if (!image.empty()) {
    exec["kind"] = "blackbox";
    exec["image"] = image;
    if (!runtime.empty()) node.fail(node.node(), "'runtime' and 'docker' exclude each other");
  }
  if (function == nullptr) {
    if (image.empty()) {
      node.fail(node.node(), "'function' is missing: the path of the code, relative to this file");
    }
    return;
  }
  read_code_file(node, *function, folder_ / node.text("function"), runtime, exec);
}

void Reader::read_action(const std::string& package, const std::string& name,
                         const YamlNode& value) {
  const ProjectNode node(project_.file, value, "action '" + name + "'");
  node.only({"function", "runtime", "kind", "main", "docker", "web", "inputs", "annotations",
             "limits", "description"});
  ProjectEntity action =
      entity(EntityKind::kAction, package.empty() ? name : package + '/' + name, node);
  read_code(node, action.exec);
  if (const std::string main = node.text("main"); !main.empty()) action.exec["main"] = main;
  action.inputs = node.inputs(action.hidden);
  action.limits = read_limits(node);
  export_to_web(node, action.annotations);
  add(std::move(action), node);
}

void Reader::read_sequence(const std::string& package, const std::string& name,
                           const YamlNode& value) {
  const ProjectNode node(project_.file, value, "sequence '" + name + "'");
  node.only({"actions", "web", "annotations", "limits", "description"});
  ProjectEntity sequence =
      entity(EntityKind::kAction, package.empty() ? name : package + '/' + name, node);
  std::vector<std::string> names;
  const YamlNode* actions = node.find("actions");
  if (actions != nullptr && actions->kind == YamlNode::Kind::kList) {
    for (const YamlNode& item : actions->items) {
      if (!item.scalar.is_string()) node.fail(item, "'actions' must be names of actions");
      names.emplace_back(item.scalar.get_string());
    }
  } else {
    const std::string text = node.text("actions", true) + ',';
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find(',', begin);
      std::string word = text.substr(begin, end - begin);
      word.erase(0, word.find_first_not_of(' '));
      word.erase(word.find_last_not_of(' ') + 1);
      names.push_back(std::move(word));
      begin = end + 1;
    }
  }
  json::array components;
  for (const std::string& component : names) {
    if (component.empty()) node.fail(*actions, "'actions' has an empty name: as in 'a, b'");
    components.push_back(json::string(action_name(package, component)));
  }
  if (components.empty()) node.fail(*actions, "'actions' names no action");
  sequence.exec = {{"kind", "sequence"}, {"components", std::move(components)}};
  sequence.limits = read_limits(node);
  export_to_web(node, sequence.annotations);
  add(std::move(sequence), node);
}

void Reader::read_trigger(const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "trigger '" + name + "'");
  node.only({"feed", "inputs", "annotations", "description"});
  ProjectEntity trigger = entity(EntityKind::kTrigger, name, node);
  trigger.inputs = node.inputs(trigger.hidden);
  if (trigger.annotations.contains("feed")) {
    node.fail(value, "the annotation 'feed' is not for files: write 'feed: NAME' instead");
  }
  trigger.feed = node.text("feed");
  if (!trigger.feed.empty()) trigger.feed = qualified(trigger.feed);
  if (name.find('/') != std::string::npos) node.fail(value, "a trigger is of no package: no '/'");
  add(std::move(trigger), node);
}

void Reader::read_rule(const std::string& package, const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "rule '" + name + "'");
  node.only({"trigger", "action", "annotations", "description"});
  ProjectEntity rule = entity(EntityKind::kRule, name, node);
  rule.trigger = qualified(node.text("trigger", true));
  rule.action = action_name(package, node.text("action", true));
  if (name.find('/') != std::string::npos) node.fail(value, "a rule is of no package: no '/'");
  add(std::move(rule), node);
}

// A package of somebody else's, by a name and with inputs of one's own.
void Reader::read_binding(const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "dependency '" + name + "'");
  node.only({"location", "inputs", "annotations", "description"});
  ProjectEntity binding = entity(EntityKind::kPackage, name, node);
  binding.inputs = node.inputs(binding.hidden);
  binding.binding = node.text("location", true);
  if (!binding.binding.starts_with('/') ||
      std::count(binding.binding.begin(), binding.binding.end(), '/') != 2) {
    node.fail(*node.find("location"),
              "'location' must be a package of this server: /NAMESPACE/PACKAGE");
  }
  if (name.find('/') != std::string::npos) node.fail(value, "a package's name has no '/'");
  add(std::move(binding), node);
}

// The API of a base path, which may be told of in several places.
ProjectEntity& Reader::api_of(const std::string& base_path, const std::string& title,
                              const ProjectNode& node) {
  for (ProjectEntity& known : project_.entities) {
    if (known.kind == EntityKind::kApi && known.name == base_path) return known;
  }
  ProjectEntity& api = project_.entities.emplace_back();
  api.kind = EntityKind::kApi;
  api.name = base_path;
  api.title = title;
  api.line = node.node().line;
  return api;
}

// NAME: {BASE: {PATH: {ACTION: METHOD, or {method, response}}}}; slashes in front may be left out.
void Reader::read_api(const std::string& package, const std::string& name, const YamlNode& value) {
  const auto with_slash = [](const std::string& path) {
    return path.starts_with('/') ? path : '/' + path;
  };
  const ProjectNode bases(project_.file, value, "api '" + name + "'");
  for (const auto& [base, paths_node] : bases.node().members) {
    const ProjectNode paths(project_.file, paths_node, bases.owner());
    ProjectEntity& api = api_of(with_slash(base), name, paths);
    for (const auto& [path, actions_node] : paths.node().members) {
      const ProjectNode actions(project_.file, actions_node, bases.owner() + ", " + path);
      for (const auto& [action, how] : actions.node().members) {
        ApiOperation operation{.path = with_slash(path), .action = action_name(package, action)};
        if (how.kind == YamlNode::Kind::kMap) {
          const ProjectNode node(project_.file, how, actions.owner());
          node.only({"method", "response"});
          operation.method = api_method(node.text("method", true));
          if (node.find("response") != nullptr) operation.response_type = node.text("response");
        } else {
          operation.method = api_method(actions.text(action));
        }
        add_operation(api, std::move(operation), actions, how);
      }
    }
    if (api.operations.empty()) {
      paths.fail(paths_node, "an API must have a path with an action: leave it out otherwise");
    }
  }
}

template <typename Read>
void Reader::each(const ProjectNode& package, std::string_view key, Read read) {
  const YamlNode* given = package.find(key);
  if (given == nullptr) return;
  const ProjectNode all(project_.file, *given, package.owner() + ", " + std::string(key));
  for (const auto& [name, value] : all.node().members) read(name, value);
}

void Reader::read_package(const std::string& name, const YamlNode& value) {
  const ProjectNode node(project_.file, value, "package '" + name + "'");
  node.only({"actions", "sequences", "triggers", "rules", "apis", "dependencies", "inputs",
             "annotations", "public", "description", "version", "license"});
  // `default` stands for no package: then there is nothing to have inputs or annotations.
  const std::string package = name == "default" ? "" : name;
  if (package.empty()) {
    for (const char* key : {"inputs", "annotations", "public", "description"}) {
      if (const YamlNode* given = node.find(key)) {
        node.fail(*given, std::string("'") + key + "' needs a package with a name of its own");
      }
    }
  } else {
    ProjectEntity out = entity(EntityKind::kPackage, package, node);
    out.inputs = node.inputs(out.hidden);
    out.is_public = node.flag("public", false);
    if (name.find('/') != std::string::npos) node.fail(value, "a package's name has no '/'");
    add(std::move(out), node);
  }
  each(node, "dependencies",
       [&](const auto& key, const auto& binding) { read_binding(key, binding); });
  each(node, "actions",
       [&](const auto& key, const auto& action) { read_action(package, key, action); });
  each(node, "sequences",
       [&](const auto& key, const auto& sequence) { read_sequence(package, key, sequence); });
  each(node, "triggers", [&](const auto& key, const auto& trigger) { read_trigger(key, trigger); });
  each(node, "rules", [&](const auto& key, const auto& rule) { read_rule(package, key, rule); });
  each(node, "apis", [&](const auto& key, const auto& api) { read_api(package, key, api); });
}

// Packages, actions, sequences after those that they name, triggers, rules, APIs; else as in the
// file.
void put_in_order(Project& project) {
  std::map<std::string, const ProjectEntity*> waiting;
  std::vector<ProjectEntity> ordered;
  const auto rank = [](const ProjectEntity& entity) {
    return std::pair(static_cast<int>(entity.kind), entity.is_sequence());
  };
  std::stable_sort(project.entities.begin(), project.entities.end(),
                   [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
  for (const ProjectEntity& entity : project.entities) {
    if (entity.is_sequence()) waiting[qualified(entity.name)] = &entity;
  }
  std::vector<std::string> open;  // the sequences that are being placed, each named by the last
  const auto place = [&](auto& self, const ProjectEntity& entity) -> void {
    const std::string name = qualified(entity.name);
    if (std::find(open.begin(), open.end(), name) != open.end()) {
      fail_at(project.file, entity.line,
              "sequence '" + entity.name + "' has itself among its actions");
    }
    if (!waiting.contains(name)) return;  // placed
    if (open.size() >= kMaxNesting) {
      fail_at(project.file, entity.line,
              "sequence '" + entity.name + "' is in sequences in sequences, " +
                  std::to_string(kMaxNesting) + " deep: name the actions themselves");
    }
    open.push_back(name);
    for (const json::value& component : entity.exec.at("components").as_array()) {
      const auto found = waiting.find(std::string(component.as_string()));
      if (found != waiting.end()) self(self, *found->second);
    }
    open.pop_back();
    waiting.erase(name);
    ordered.push_back(entity);
  };
  for (const ProjectEntity& entity : project.entities) {
    if (entity.is_sequence()) {
      place(place, entity);
    } else {
      ordered.push_back(entity);
    }
  }
  project.entities = std::move(ordered);
}

Project Reader::read(const YamlNode& root) {
  const ProjectNode top(project_.file, root, "");
  top.only({"project", "packages"});
  const YamlNode* packages = top.find("packages");
  if (const YamlNode* given = top.find("project")) {
    const ProjectNode project(project_.file, *given, "project");
    project.only({"name", "packages"});
    project_.name = project.text("name");
    if (const YamlNode* inner = project.find("packages")) {
      if (packages != nullptr) project.fail(*inner, "'packages' is given twice");
      packages = inner;
    }
  }
  if (packages == nullptr) {
    fail_at(project_.file, 0, "'packages' is missing: as in 'packages: NAME: actions:'");
  }
  const ProjectNode all(project_.file, *packages, "packages");
  for (const auto& [name, value] : all.node().members) read_package(name, value);
  return std::move(project_);
}

}  // namespace

const char* word_of(EntityKind kind) {
  switch (kind) {
    case EntityKind::kPackage: return "package";
    case EntityKind::kAction: return "action";
    case EntityKind::kTrigger: return "trigger";
    case EntityKind::kRule: return "rule";
    case EntityKind::kApi: return "api";
  }
  return "";
}

std::string collection_of(EntityKind kind) {
  return std::string(word_of(kind)) + 's';
}

bool ProjectEntity::is_sequence() const {
  const json::value* given = exec.if_contains("kind");
  return given != nullptr && *given == "sequence";
}

namespace {

YamlNode read_tree(const std::string& file) {
  const Result<std::string> text = read_file(file, kMaxFile);
  if (!text) throw Exit(ExitCode::kUsage, text.error().message());
  return parse_yaml(*text, file);
}

Project read_either(const std::string& file, const YamlNode& root) {
  return is_serverless(root) ? read_serverless(file, root) : Reader(file).read(root);
}

// What describes entities becomes nothing.
void empty_out(YamlNode& map) {
  for (auto& [key, value] : map.members) {
    if (key == "packages" || key == "functions" || key == "resources" || key == "package") {
      value = YamlNode{};
    } else if (key == "project") {
      empty_out(value);
    }
  }
}

}  // namespace

Project read_project(const std::string& file) {
  Project project = read_either(file, read_tree(file));
  put_in_order(project);
  return project;
}

std::string read_project_name(const std::string& file) {
  YamlNode root = read_tree(file);
  empty_out(root);
  return read_either(file, root).name;
}

}  // namespace berth::cli
