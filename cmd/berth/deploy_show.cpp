// SPDX-License-Identifier: Apache-2.0
// A plan for people and for programs, and what of a project is no longer in its file.
#include <algorithm>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "deploy_plan.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

std::size_t count(const std::vector<Change>& changes, Verb verb) {
  return static_cast<std::size_t>(
      std::count_if(changes.begin(), changes.end(),
                    [verb](const Change& change) { return change.verb == verb; }));
}

// "package/name" of an entry of a list.
std::string name_of(const json::value& entity) {
  const std::string space = text_of(entity, "namespace");
  const std::size_t slash = space.find('/');
  const std::string name = text_of(entity, "name");
  return slash == std::string::npos ? name : space.substr(slash + 1) + '/' + name;
}

std::string line_of(const Difference& difference) {
  if (difference.before.empty()) return "+ " + difference.what + ": " + difference.after;
  if (difference.after.empty()) return "- " + difference.what + ": " + difference.before;
  return "~ " + difference.what + ": " + difference.before + " -> " + difference.after;
}

}  // namespace

const char* word_of(Verb verb) {
  switch (verb) {
    case Verb::kCreate: return "create";
    case Verb::kUpdate: return "update";
    case Verb::kUnchanged: return "unchanged";
    case Verb::kDelete: return "delete";
  }
  return "";
}

std::vector<Change> plan_deletions(const Project& project,
                                   const std::map<EntityKind, json::array>& listed) {
  std::vector<Change> changes;
  // The other way round than they are made.
  for (auto list = listed.rbegin(); list != listed.rend(); ++list) {
    const EntityKind kind = list->first;
    for (const json::value& entity : list->second) {
      const json::object annotations = to_object(entity, "annotations");
      const json::value* owner = annotations.if_contains(kProjectAnnotation);
      if (owner == nullptr || *owner != json::string(project.name)) continue;
      const std::string name = name_of(entity);
      const bool stays = std::any_of(
          project.entities.begin(), project.entities.end(),
          [&](const ProjectEntity& kept) { return kept.kind == kind && kept.name == name; });
      if (stays) continue;
      Change change;
      change.verb = Verb::kDelete;
      change.kind = kind;
      change.name = name;
      if (kind == EntityKind::kTrigger) {
        if (const json::value* feed = annotations.if_contains("feed"); feed && feed->is_string()) {
          change.old_feed = std::string(feed->get_string());
        }
      }
      changes.push_back(std::move(change));
    }
  }
  return changes;
}

std::string show_plan(const std::vector<Change>& changes, const Surface& on) {
  std::string out;
  for (const Change& change : changes) {
    if (change.verb == Verb::kUnchanged) continue;
    const char sign = change.verb == Verb::kCreate ? '+' : change.verb == Verb::kDelete ? '-' : '~';
    const Colour colour = sign == '+'   ? Colour::kGreen
                          : sign == '-' ? Colour::kRed
                                        : Colour::kYellow;
    const std::string line =
        printable(fmt::format("{} {} {}", sign, word_of(change.kind), change.name));
    out += coloured(line, colour, on) + '\n';
    for (const Difference& difference : change.differences) {
      out += "    " + printable(line_of(difference)) + '\n';
    }
  }
  const std::size_t unchanged = count(changes, Verb::kUnchanged);
  if (unchanged == changes.size()) return fmt::format("nothing to do: {} unchanged\n", unchanged);
  return out + fmt::format("{} to create, {} to update, {} to delete, {} unchanged\n",
                           count(changes, Verb::kCreate), count(changes, Verb::kUpdate),
                           count(changes, Verb::kDelete), unchanged);
}

json::value to_json(const std::string& project, const std::vector<Change>& changes, bool applied) {
  json::array list;
  for (const Change& change : changes) {
    json::array differences;
    for (const Difference& difference : change.differences) {
      json::object entry{{"what", difference.what}};
      if (!difference.before.empty()) entry["before"] = difference.before;
      if (!difference.after.empty()) entry["after"] = difference.after;
      differences.push_back(std::move(entry));
    }
    list.push_back(json::object{{"change", word_of(change.verb)},
                                {"kind", word_of(change.kind)},
                                {"name", change.name},
                                {"differences", std::move(differences)}});
  }
  return json::object{{"project", project}, {"applied", applied}, {"changes", std::move(list)}};
}

}  // namespace berth::cli
