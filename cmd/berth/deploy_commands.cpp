// SPDX-License-Identifier: Apache-2.0
// berth deploy FILE, berth undeploy FILE
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <iostream>
#include <set>
#include <unistd.h>

#include "commands.hpp"
#include "deploy_plan.hpp"
#include "exit_code.hpp"
#include "feed.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct DeployOptions {
  std::string file;
  bool dry_run = false;
  bool yes = false;
  bool prune = false;
};

std::string path_of(EntityKind kind, const std::string& name) {
  return entity_path(collection_of(kind), name);
}

// An API's document; null if there is none.
json::value fetch_api(const GlobalOptions& options, const std::string& base_path) {
  const json::value answer =
      document(rest(options, "GET", management("getApi", query_of({base_path, "", ""}))));
  const json::array& apis = answer.at("apis").as_array();
  return apis.empty() ? json::value() : apis.front().at("value").at("apidoc");
}

// The entity as the server has it; null if it has none.
json::value fetch(const GlobalOptions& options, EntityKind kind, const std::string& name,
                  const char* query = "") {
  if (kind == EntityKind::kApi) return fetch_api(options, name);
  try {
    return document(rest(options, "GET", path_of(kind, name) + query));
  } catch (const Exit& end) {
    if (end.code() != ExitCode::kNotFound) throw;
    return nullptr;
  }
}

// What the feed says that it has been told; null if it says nothing.
json::value feed_config(const GlobalOptions& options, const std::string& feed,
                        const std::string& trigger) {
  try {
    const json::value answer = document(call_feed(options, feed, "READ", trigger));
    const json::object* fields = answer.if_object();
    const json::value* config = fields != nullptr ? fields->if_contains("config") : nullptr;
    return config != nullptr ? *config : nullptr;
  } catch (const Exit& end) {
    // Feeds need not know READ; then they are told again what the file says.
    if (end.code() != ExitCode::kFunctionFailed && end.code() != ExitCode::kNotFound) throw;
    return nullptr;
  }
}

ServerFacts ask_facts(const GlobalOptions& options) {
  ServerFacts facts;
  const json::value spaces = document(rest(options, "GET", "/api/v1/namespaces"));
  if (!spaces.is_array() || spaces.get_array().empty() || !spaces.get_array()[0].is_string()) {
    throw Exit(ExitCode::kFailed, "the server names no namespace of this key");
  }
  facts.space = std::string(spaces.get_array()[0].get_string());
  facts.default_kinds = default_kinds_of(document(rest(options, "GET", "/")));
  return facts;
}

// Names that an entity uses must be of this project, or there already.
class References {
 public:
  References(const GlobalOptions& options, const Project& project, const ServerFacts& facts)
      : options_(options), project_(project), facts_(facts) {
    for (const ProjectEntity& entity : project.entities) {
      known_.emplace(entity.kind, full(entity.name));
    }
  }

  void check(const ProjectEntity& entity) {
    if (entity.kind == EntityKind::kRule) {
      need(entity, EntityKind::kTrigger, entity.trigger);
      need(entity, EntityKind::kAction, entity.action);
    } else if (entity.is_sequence()) {
      for (const json::value& name : entity.exec.at("components").as_array()) {
        need(entity, EntityKind::kAction, std::string(name.as_string()));
      }
    }
    if (!entity.feed.empty()) need(entity, EntityKind::kAction, entity.feed);
    for (const ApiOperation& operation : entity.operations) need_web(entity, operation.action);
  }

 private:
  std::string full(const std::string& name) const {
    std::string text = qualified(name);
    if (text.starts_with("/_/")) text.replace(1, 1, facts_.space);
    return text;
  }

  void need(const ProjectEntity& by, EntityKind kind, const std::string& name) {
    if (known_.contains({kind, full(name)})) return;
    const char* query = kind == EntityKind::kAction ? "?code=false" : "";
    if (fetch(options_, kind, name, query).is_null()) {
      fail_at(by, fmt::format("{} '{}' is neither in this file nor on the server", word_of(kind),
                              name));
    }
    known_.emplace(kind, full(name));
  }

  // Of others the gateway knows nothing.
  void need_web(const ProjectEntity& by, const std::string& name) {
    need(by, EntityKind::kAction, name);
    const auto in_file = std::find_if(
        project_.entities.begin(), project_.entities.end(), [&](const ProjectEntity& entity) {
          return entity.kind == EntityKind::kAction && full(entity.name) == full(name);
        });
    const json::object annotations =
        in_file != project_.entities.end()
            ? in_file->annotations
            : to_object(fetch(options_, EntityKind::kAction, name, "?code=false"), "annotations");
    const json::value* exported = annotations.if_contains("web-export");
    if (exported != nullptr && *exported == true) return;
    fail_at(by, fmt::format("action '{}' is no web action: give it 'web: true'", name));
  }

  [[noreturn]] void fail_at(const ProjectEntity& by, const std::string& message) const {
    throw Exit(ExitCode::kUsage, fmt::format("{}:{}: {} '{}': {}", project_.file, by.line,
                                             word_of(by.kind), by.name, message));
  }

  const GlobalOptions& options_;
  const Project& project_;
  const ServerFacts& facts_;
  std::set<std::pair<EntityKind, std::string>> known_;
};

// APIs as entities are listed: their projects are in their documents.
json::array list_apis(const GlobalOptions& options) {
  const json::value answer = document(rest(options, "GET", management("getApi", "limit=0")));
  json::array all;
  for (const json::value& api : answer.at("apis").as_array()) {
    const json::value& doc = api.at("value").at("apidoc");
    json::object mark{{"key", kProjectAnnotation}, {"value", text_of(doc, kApiProject)}};
    all.push_back(json::object{{"name", text_of(doc, "basePath")},
                               {"annotations", json::array{std::move(mark)}}});
  }
  return all;
}

json::array list_all(const GlobalOptions& options, EntityKind kind) {
  if (kind == EntityKind::kApi) return list_apis(options);
  constexpr std::size_t kPage = 200;
  json::array all;
  while (true) {
    const json::value page =
        document(rest(options, "GET",
                      fmt::format("/{}?limit={}&skip={}", collection_of(kind), kPage, all.size())));
    for (const json::value& entity : page.as_array()) all.push_back(entity);
    if (page.as_array().size() < kPage) return all;
  }
}

// What the server has of the project and its file has not.
std::vector<Change> what_goes(const GlobalOptions& options, const Project& project) {
  if (project.name.empty()) {
    throw Exit(ExitCode::kUsage, project.file +
                                     ": nothing tells what is of this project: give "
                                     "'project: name: NAME'");
  }
  std::map<EntityKind, json::array> listed;
  for (const EntityKind kind : {EntityKind::kPackage, EntityKind::kAction, EntityKind::kTrigger,
                                EntityKind::kRule, EntityKind::kApi}) {
    listed[kind] = list_all(options, kind);
  }
  return plan_deletions(project, listed);
}

std::vector<Change> make_plan(const GlobalOptions& options, const Project& project, bool prune) {
  const Spinner spinner("comparing with the server");
  ServerFacts facts = ask_facts(options);
  References references(options, project, facts);
  std::vector<Change> changes;
  for (const ProjectEntity& entity : project.entities) {
    references.check(entity);
    const json::value current = fetch(options, entity.kind, entity.name);
    if (entity.kind == EntityKind::kPackage) {
      facts.package_parameters[entity.name] = to_object(current, "parameters");
    }
    json::value config;
    if (!entity.feed.empty() && feed_of(current) == entity.feed) {
      config = feed_config(options, entity.feed, entity.name);
    }
    changes.push_back(plan_change(project, entity, current, facts, config));
  }
  if (!prune) return changes;
  for (Change& change : what_goes(options, project)) changes.push_back(std::move(change));
  return changes;
}

void apply_delete(const GlobalOptions& options, const Change& change) {
  if (!change.old_feed.empty()) call_feed(options, change.old_feed, "DELETE", change.name);
  rest(options, "DELETE",
       change.kind == EntityKind::kApi ? management("deleteApi", query_of({change.name, "", ""}))
                                       : path_of(change.kind, change.name));
}

void apply_put(const GlobalOptions& options, const Change& change) {
  if (change.kind == EntityKind::kApi) {
    for (const ApiCall& call : change.calls) rest(options, call.method, call.path, call.body);
    return;
  }
  const bool creating = change.verb == Verb::kCreate;
  if (!change.old_feed.empty()) call_feed(options, change.old_feed, "DELETE", change.name);
  const std::string path = path_of(change.kind, change.name);
  rest(options, "PUT", path + (creating ? "" : "?overwrite=true"), json::serialize(change.body));
  if (!change.feed_differs) return;
  const bool is_new = creating || change.feed_is_new;
  try {
    call_feed(options, change.feed, is_new ? "CREATE" : "UPDATE", change.name, change.feed_inputs);
  } catch (const Exit&) {
    // A trigger whose feed refuses is not there, so that the next try begins where this one did.
    if (creating) rest(options, "DELETE", path);
    throw;
  }
}

void apply(const GlobalOptions& options, const std::vector<Change>& changes) {
  std::size_t done = 0;
  for (const Change& change : changes) {
    if (change.verb == Verb::kUnchanged) continue;
    try {
      const Spinner spinner(
          fmt::format("{} {} {}", word_of(change.verb), word_of(change.kind), change.name));
      change.verb == Verb::kDelete ? apply_delete(options, change) : apply_put(options, change);
    } catch (const Exit& end) {
      throw Exit(
          end.code(),
          fmt::format("{} {} {}: {}; {} changes were made before: mend it and deploy again",
                      word_of(change.verb), word_of(change.kind), change.name, end.what(), done));
    }
    ++done;
    if (!options.json) {
      std::printf("%sd %s %s\n", word_of(change.verb), word_of(change.kind),
                  printable(change.name).c_str());
    }
  }
}

// Throws unless the user wants it.
void ask(const DeployOptions& wanted, bool json) {
  if (wanted.yes) return;
  if (json || ::isatty(STDIN_FILENO) != 1) {
    throw Exit(ExitCode::kUsage,
               "nothing was changed: give --yes to apply this without being asked, or --dry-run to "
               "look only");
  }
  std::fputs("Apply this? [y/N] ", stderr);
  std::fflush(stderr);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes") {
    throw Exit(ExitCode::kFailed, "nothing was changed");
  }
}

// Shows the plan, and does what it says if that is wanted.
void carry_out(const GlobalOptions& options, const DeployOptions& wanted, const Project& project,
               const std::vector<Change>& changes) {
  const bool differs = std::any_of(changes.begin(), changes.end(), [](const Change& change) {
    return change.verb != Verb::kUnchanged;
  });
  if (!options.json) {
    std::fputs(show_plan(changes, surface()).c_str(), stdout);
    std::fflush(stdout);
  }
  const bool applies = differs && !wanted.dry_run;
  if (applies) {
    ask(wanted, options.json);
    apply(options, changes);
  }
  if (options.json) std::fputs(pretty(to_json(project.name, changes, applies)).c_str(), stdout);
}

void deploy(const GlobalOptions& options, const DeployOptions& wanted) {
  const Project project = read_project(wanted.file);
  carry_out(options, wanted, project, make_plan(options, project, wanted.prune));
}

void undeploy(const GlobalOptions& options, const DeployOptions& wanted) {
  const Project project{.name = read_project_name(wanted.file), .file = wanted.file};
  carry_out(options, wanted, project, what_goes(options, project));
}

}  // namespace

void add_deploy_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* command = program.add_subcommand(
      "deploy", "make packages, actions, triggers, rules and APIs as a project file says");
  const auto wanted = std::make_shared<DeployOptions>();
  command
      ->add_option("file", wanted->file,
                   "the project file: YAML, as wskdeploy's manifests, or a serverless.yml")
      ->required()
      ->type_name("FILE");
  command->add_flag("--dry-run", wanted->dry_run, "show what differs, and change nothing");
  command->add_flag("-y,--yes", wanted->yes, "apply it without asking");
  command->add_flag("--prune", wanted->prune,
                    "delete what an earlier file of this project made and this one has no more");
  command->footer(
      "Shows first what it is going to do: + create, ~ update, - delete. Nothing is deleted "
      "without "
      "--prune.\nThe form of the file: docs/deploy.md, examples/project.");
  command->callback([options, wanted] { deploy(*options, *wanted); });

  CLI::App* away = program.add_subcommand("undeploy", "delete all that a project file has made");
  const auto unwanted = std::make_shared<DeployOptions>();
  away->add_option("file", unwanted->file, "the project file")->required()->type_name("FILE");
  away->add_flag("--dry-run", unwanted->dry_run, "show what would go, and change nothing");
  away->add_flag("-y,--yes", unwanted->yes, "apply it without asking");
  away->footer(
      "What goes is what carries the project's name, whether the file has it still or not.");
  away->callback([options, unwanted] { undeploy(*options, *unwanted); });
}

}  // namespace berth::cli
