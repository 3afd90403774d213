// SPDX-License-Identifier: Apache-2.0
// berth deploy FILE
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

// The entity as the server has it; null if it has none.
json::value fetch(const GlobalOptions& options, EntityKind kind, const std::string& name,
                  const char* query = "") {
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

  [[noreturn]] void fail_at(const ProjectEntity& by, const std::string& message) const {
    throw Exit(ExitCode::kUsage, fmt::format("{}:{}: {} '{}': {}", project_.file, by.line,
                                             word_of(by.kind), by.name, message));
  }

  const GlobalOptions& options_;
  const Project& project_;
  const ServerFacts& facts_;
  std::set<std::pair<EntityKind, std::string>> known_;
};

json::array list_all(const GlobalOptions& options, EntityKind kind) {
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
  if (project.name.empty()) {
    throw Exit(ExitCode::kUsage, project.file +
                                     ": --prune needs to know what is of this project: give "
                                     "'project: name: NAME'");
  }
  std::map<EntityKind, json::array> listed;
  for (const EntityKind kind :
       {EntityKind::kPackage, EntityKind::kAction, EntityKind::kTrigger, EntityKind::kRule}) {
    listed[kind] = list_all(options, kind);
  }
  for (Change& change : plan_deletions(project, listed)) changes.push_back(std::move(change));
  return changes;
}

void apply_delete(const GlobalOptions& options, const Change& change) {
  if (!change.old_feed.empty()) call_feed(options, change.old_feed, "DELETE", change.name);
  rest(options, "DELETE", path_of(change.kind, change.name));
}

void apply_put(const GlobalOptions& options, const Change& change) {
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

void deploy(const GlobalOptions& options, const DeployOptions& wanted) {
  const Project project = read_project(wanted.file);
  const std::vector<Change> changes = make_plan(options, project, wanted.prune);
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

}  // namespace

void add_deploy_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* command = program.add_subcommand(
      "deploy", "make packages, actions, triggers and rules as a project file says");
  const auto wanted = std::make_shared<DeployOptions>();
  command->add_option("file", wanted->file, "the project file: YAML, as wskdeploy's manifests")
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
}

}  // namespace berth::cli
