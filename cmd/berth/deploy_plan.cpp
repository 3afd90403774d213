// SPDX-License-Identifier: Apache-2.0
#include "deploy_plan.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/ids.hpp"
#include "exit_code.hpp"
#include "feed.hpp"
#include "output.hpp"
#include "parameters.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr const char* kHidden = "(from the environment)";
constexpr std::size_t kMaxShown = 100;
constexpr const char* kSecret = "require-whisk-auth";
constexpr std::size_t kSecretBytes = 32;

std::string shown(const json::value& value) {
  std::string text = json::serialize(value);
  if (text.size() <= kMaxShown) return text;
  std::size_t end = kMaxShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + fmt::format("... ({} bytes)", text.size());
}

// "/_/x" as the server shows it.
std::string with_space(std::string name, const ServerFacts& facts) {
  if (name.starts_with("/_/")) name.replace(1, 1, facts.space);
  return name;
}

// A member as text, without a copy of the whole.
std::string text_in(const json::object& object, std::string_view member) {
  const json::value* found = object.if_contains(member);
  if (found == nullptr) return {};
  return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

// {"path","name"} as one name.
std::string joined(const json::value& entity, std::string_view member) {
  const json::value* part = entity.get_object().if_contains(member);
  return part == nullptr ? "" : '/' + text_of(*part, "path") + '/' + text_of(*part, "name");
}

// "/ns/package" that a package stands for; empty: it is one of its own.
std::string bound_by(const json::value& package) {
  const json::value* binding = package.get_object().if_contains("binding");
  if (binding == nullptr || !binding->is_object() || binding->get_object().empty()) return {};
  return '/' + text_of(*binding, "namespace") + '/' + text_of(*binding, "name");
}

// Of `all` what has a name in `names`.
json::object only(const json::object& all, const json::object& names) {
  json::object out;
  for (const auto& [key, value] : all) {
    if (names.contains(key)) out[key] = value;
  }
  return out;
}

std::string size_of(const json::object& exec) {
  return fmt::format("{} bytes", exec.at("code").as_string().size());
}

void compare_text(std::vector<Difference>& found, const std::string& what,
                  const std::string& before, const std::string& after) {
  if (before != after) found.push_back({what, before, after});
}

void compare_code(std::vector<Difference>& found, const json::object& now,
                  const json::object& wanted) {
  const json::value* after = wanted.if_contains("code");
  const json::value* before = now.if_contains("code");
  const bool has_before = before != nullptr && before->is_string() && !before->as_string().empty();
  if (after == nullptr) {
    if (has_before) found.push_back({"code", size_of(now), ""});
    return;
  }
  if (!has_before) {
    found.push_back({"code", "", size_of(wanted)});
    return;
  }
  const json::string& old_text = before->as_string();
  const json::string& new_text = after->as_string();
  if (old_text == new_text) return;
  Difference difference{"code", size_of(now), size_of(wanted)};
  if (wanted.at("binary") == false) {
    const auto end =
        std::mismatch(old_text.begin(), old_text.end(), new_text.begin(), new_text.end());
    difference.after +=
        fmt::format(", from line {}", std::count(new_text.begin(), end.second, '\n') + 1);
  }
  found.push_back(std::move(difference));
}

void compare_exec(std::vector<Difference>& found, const json::value& current,
                  const json::object& wanted, const ServerFacts& facts) {
  const json::value* given = current.get_object().if_contains("exec");
  const json::object none;
  const json::object& now = given != nullptr && given->is_object() ? given->get_object() : none;
  std::string kind = text_in(wanted, "kind");
  if (const auto resolved = facts.default_kinds.find(kind); resolved != facts.default_kinds.end()) {
    kind = resolved->second;
  }
  compare_text(found, "runtime", text_in(now, "kind"), kind);
  compare_text(found, "docker", kind == "blackbox" ? text_in(now, "image") : "",
               kind == "blackbox" ? text_in(wanted, "image") : "");
  compare_text(found, "main", text_in(now, "main"), text_in(wanted, "main"));
  if (kind == "sequence") {
    json::array components;
    for (const json::value& name : wanted.at("components").as_array()) {
      components.emplace_back(with_space(std::string(name.as_string()), facts));
    }
    compare_text(found, "actions", text_in(now, "components"), json::serialize(components));
  } else {
    compare_code(found, now, wanted);
  }
}

void compare_limits(std::vector<Difference>& found, const json::value& current,
                    const json::object& wanted) {
  const json::value* given = current.get_object().if_contains("limits");
  for (const auto& [key, value] : wanted) {
    const std::string name(key);
    compare_text(found, "limit " + name, given != nullptr ? text_of(*given, name) : "",
                 shown(value));
  }
}

void compare_inputs(std::vector<Difference>& found, const ProjectEntity& wanted,
                    const json::object& now, const std::set<std::string>& sealed,
                    json::object expected) {
  for (const auto& [key, value] : expected) {
    const std::string name(key);
    const json::value* before = now.if_contains(key);
    if (before != nullptr && *before == value) continue;
    const bool hide = wanted.hidden.contains(name);
    std::string old_text = before != nullptr ? (hide ? "(not shown)" : shown(*before)) : "";
    if (sealed.contains(name)) old_text = "(encrypted: cannot be compared)";
    found.push_back({"input " + name, std::move(old_text), hide ? kHidden : shown(value)});
  }
  for (const auto& [key, value] : now) {
    if (!expected.contains(key)) found.push_back({"input " + std::string(key), "(not shown)", ""});
  }
  for (const std::string& name : sealed) {
    if (!expected.contains(name)) found.push_back({"input " + name, "(not shown)", ""});
  }
}

// Annotations that berthd sets itself; those of feeds are compared with the feed.
bool is_servers(EntityKind kind, std::string_view key, const json::value& value) {
  switch (kind) {
    case EntityKind::kAction: return key == "exec" || (key == "provide-api-key" && value == false);
    case EntityKind::kPackage: return key == "binding";
    case EntityKind::kTrigger: return key == "feed";
    case EntityKind::kRule:
    case EntityKind::kApi: return false;
  }
  return false;
}

// Returns what is to be removed.
json::array compare_annotations(std::vector<Difference>& found, const ProjectEntity& wanted,
                                const json::object& now) {
  // A web action's secret is one wherever it comes from; `true` and `false` are none.
  const auto text_of = [&wanted](std::string_view key, const json::value& value) -> std::string {
    const bool secret = wanted.hidden_annotations.contains(std::string(key)) ||
                        (key == kSecret && !value.is_bool());
    return secret ? "(hidden)" : shown(value);
  };
  for (const auto& [key, value] : wanted.annotations) {
    const json::value* before = now.if_contains(key);
    if (before != nullptr && *before == value) continue;
    found.push_back({"annotation " + std::string(key),
                     before != nullptr ? text_of(key, *before) : "", text_of(key, value)});
  }
  json::array removed;
  for (const auto& [key, value] : now) {
    if (wanted.annotations.contains(key) || is_servers(wanted.kind, key, value)) continue;
    found.push_back({"annotation " + std::string(key), text_of(key, value), ""});
    removed.emplace_back(json::string(key));
  }
  return removed;
}

json::object body_of(const ProjectEntity& wanted) {
  json::object body;
  json::object annotations = wanted.annotations;
  switch (wanted.kind) {
    case EntityKind::kPackage:
      body["publish"] = wanted.is_public;
      if (!wanted.binding.empty()) {
        const std::size_t slash = wanted.binding.find('/', 1);
        body["binding"] = json::object{{"namespace", wanted.binding.substr(1, slash - 1)},
                                       {"name", wanted.binding.substr(slash + 1)}};
      }
      break;
    case EntityKind::kAction:
      body["exec"] = wanted.exec;
      if (!wanted.limits.empty()) body["limits"] = wanted.limits;
      break;
    case EntityKind::kTrigger:
      if (!wanted.feed.empty()) annotations["feed"] = wanted.feed;
      break;
    case EntityKind::kRule:
      body["trigger"] = wanted.trigger;
      body["action"] = wanted.action;
      break;
    case EntityKind::kApi: break;  // plan_api()
  }
  if (wanted.kind != EntityKind::kRule && !wanted.is_sequence()) {
    body["parameters"] = to_list(wanted.feed.empty() ? wanted.inputs : json::object());
  }
  body["annotations"] = to_list(annotations);
  return body;
}

void compare_feed(Change& change, const ProjectEntity& wanted, const json::value& current,
                  const json::value& config) {
  const std::string before = feed_of(current);
  compare_text(change.differences, "feed", before, wanted.feed);
  if (before != wanted.feed) {
    change.old_feed = before;
    change.feed_differs = change.feed_is_new = !wanted.feed.empty();
    return;
  }
  if (wanted.feed.empty()) return;
  const json::object* told = config.if_object();
  for (const auto& [key, value] : wanted.inputs) {
    const std::string name(key);
    const json::value* old = told != nullptr ? told->if_contains(key) : nullptr;
    if (old != nullptr && *old == value) continue;
    const bool hide = wanted.hidden.contains(name);
    std::string text = "(the feed does not say)";
    if (old != nullptr) text = hide ? "(not shown)" : shown(*old);
    change.differences.push_back({"input " + name, text, hide ? kHidden : shown(value)});
    change.feed_differs = true;
  }
}

}  // namespace

std::map<std::string, std::string> default_kinds_of(const json::value& info) {
  std::map<std::string, std::string> kinds;
  const json::object* root = info.if_object();
  const json::value* families = root != nullptr ? root->if_contains("runtimes") : nullptr;
  if (families == nullptr || !families->is_object()) return kinds;
  for (const auto& [family, runtimes] : families->get_object()) {
    if (!runtimes.is_array()) continue;
    for (const json::value& runtime : runtimes.get_array()) {
      if (text_of(runtime, "default") != "true") continue;
      kinds[std::string(family) + ":default"] = text_of(runtime, "kind");
    }
  }
  return kinds;
}

json::object to_object(const json::value& entity, std::string_view member,
                       std::set<std::string>* sealed) {
  json::object out;
  const json::object* object = entity.if_object();
  const json::value* list = object != nullptr ? object->if_contains(member) : nullptr;
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& entry : list->get_array()) {
    const std::string key = text_of(entry, "key");
    const json::object* fields = entry.if_object();
    const json::value* value = fields != nullptr ? fields->if_contains("value") : nullptr;
    if (value == nullptr) continue;
    if (sealed != nullptr && fields->contains("encryption")) {
      sealed->insert(key);
    } else {
      out[key] = *value;
    }
  }
  return out;
}

void check_owner(const Project& project, const ProjectEntity& wanted, const std::string& owner) {
  if (owner.empty() || owner == project.name) return;
  throw Exit(
      ExitCode::kConflict,
      fmt::format("{}:{}: {} '{}' is of the project '{}' on the server: give it another "
                  "name here, or delete it there first",
                  project.file, wanted.line, word_of(wanted.kind), wanted.name, printable(owner)));
}

Change plan_change(const Project& project, const ProjectEntity& entity, const json::value& current,
                   const ServerFacts& facts, const json::value& feed_config) {
  if (entity.kind == EntityKind::kApi) return plan_api(project, entity, current, facts);
  const json::object annotations = to_object(current, "annotations");
  ProjectEntity wanted = entity;
  if (wanted.has_secret) {
    const json::value* present = annotations.if_contains(kSecret);
    wanted.annotations[kSecret] =
        present != nullptr && (present->is_string() || present->is_number())
            ? *present
            : json::value(json::string(random_hex(kSecretBytes)));
  }
  Change change;
  change.kind = wanted.kind;
  change.name = wanted.name;
  change.body = body_of(wanted);
  change.feed = wanted.feed;
  if (!wanted.feed.empty()) change.feed_inputs = wanted.inputs;
  if (!current.is_object()) {
    change.verb = Verb::kCreate;
    change.feed_differs = !wanted.feed.empty();
    return change;
  }
  check_owner(project, wanted, text_in(annotations, kProjectAnnotation));
  std::vector<Difference>& found = change.differences;
  std::set<std::string> sealed;
  const json::object now = to_object(current, "parameters", &sealed);
  switch (wanted.kind) {
    case EntityKind::kPackage:
      compare_text(found, "public", text_of(current, "publish"),
                   wanted.is_public ? "true" : "false");
      compare_text(found, "binding", bound_by(current), with_space(wanted.binding, facts));
      // A binding is shown with what its package has, too.
      compare_inputs(found, wanted, wanted.binding.empty() ? now : only(now, wanted.inputs), sealed,
                     wanted.inputs);
      break;
    case EntityKind::kAction: {
      compare_exec(found, current, wanted.exec, facts);
      compare_limits(found, current, wanted.limits);
      if (wanted.is_sequence()) break;
      json::object expected;
      const std::string package = wanted.name.substr(0, wanted.name.find('/'));
      if (const auto under = facts.package_parameters.find(package);
          package != wanted.name && under != facts.package_parameters.end()) {
        expected = under->second;
      }
      for (const auto& [key, value] : wanted.inputs) expected[key] = value;
      compare_inputs(found, wanted, now, sealed, std::move(expected));
      break;
    }
    case EntityKind::kTrigger:
      if (wanted.feed.empty()) compare_inputs(found, wanted, now, sealed, wanted.inputs);
      compare_feed(change, wanted, current, feed_config);
      break;
    case EntityKind::kRule:
      compare_text(found, "trigger", joined(current, "trigger"), with_space(wanted.trigger, facts));
      compare_text(found, "action", joined(current, "action"), with_space(wanted.action, facts));
      break;
    case EntityKind::kApi: break;
  }
  json::array removed = compare_annotations(found, wanted, annotations);
  if (!removed.empty() && wanted.kind == EntityKind::kAction) {
    change.body["delAnnotations"] = std::move(removed);
  }
  if (!found.empty()) change.verb = Verb::kUpdate;
  return change;
}

}  // namespace berth::cli
