// SPDX-License-Identifier: Apache-2.0
// Plans of APIs: their operations are compared one by one, and changed as `berth api` changes them.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "deploy_plan.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

std::string shown(const ApiOperation& operation) {
  return fmt::format("{} ({})", operation.action, operation.response_type);
}

std::string title(const ApiOperation& operation) {
  return fmt::format("{} {}", operation.method, operation.path);
}

const ApiOperation* find(const std::vector<ApiOperation>& all, const ApiOperation& like) {
  const auto found = std::find_if(all.begin(), all.end(), [&like](const ApiOperation& one) {
    return one.path == like.path && one.method == like.method;
  });
  return found == all.end() ? nullptr : &*found;
}

// A document's word on pages of other origins, "true" where it says nothing.
std::string cors_of(const json::object& document) {
  const json::value* configuration = document.if_contains("x-ibm-configuration");
  const json::object* object = configuration != nullptr ? configuration->if_object() : nullptr;
  const json::value* cors = object != nullptr ? object->if_contains("cors") : nullptr;
  const std::string enabled = cors != nullptr ? text_of(*cors, "enabled") : "";
  return enabled.empty() ? "true" : enabled;
}

ApiCall put_call(const Project& project, const ProjectEntity& wanted,
                 const ApiOperation& operation) {
  json::object doc = endpoint_of(wanted.name, operation);
  if (!wanted.title.empty()) doc.emplace("apiName", wanted.title);
  if (wanted.cors) doc.emplace("cors", *wanted.cors);
  if (!project.name.empty()) doc.emplace("project", project.name);
  return {"POST", management("createApi", "responsetype=" + operation.response_type),
          json::serialize(json::object{{"apidoc", std::move(doc)}})};
}

}  // namespace

Change plan_api(const Project& project, const ProjectEntity& wanted, const json::value& current,
                const ServerFacts& facts) {
  Change change;
  change.kind = wanted.kind;
  change.name = wanted.name;
  change.verb = current.is_object() ? Verb::kUnchanged : Verb::kCreate;
  const json::object none;
  const json::object& now = current.is_object() ? current.get_object() : none;
  const std::string owner = text_of(json::value(now), kApiProject);
  check_owner(project, wanted, owner);

  const std::vector<ApiOperation> before = operations_of(now);
  for (ApiOperation operation : wanted.operations) {
    if (operation.action.starts_with("/_/")) operation.action.replace(1, 1, facts.space);
    const ApiOperation* old = find(before, operation);
    if (old != nullptr && shown(*old) == shown(operation)) continue;
    change.differences.push_back(
        {title(operation), old != nullptr ? shown(*old) : "", shown(operation)});
    change.calls.push_back(put_call(project, wanted, operation));
  }
  // Afterwards, for an API without operations is no API.
  for (const ApiOperation& old : before) {
    if (find(wanted.operations, old) != nullptr) continue;
    change.differences.push_back({title(old), shown(old), ""});
    change.calls.push_back(
        {"DELETE", management("deleteApi", query_of({wanted.name, old.path, old.method})), ""});
  }
  if (change.verb == Verb::kUnchanged) {
    const auto compare = [&change](const char* what, const std::string& old,
                                   const std::string& fresh) {
      if (old != fresh) change.differences.push_back({what, old, fresh});
    };
    if (wanted.cors) compare("cors", cors_of(now), *wanted.cors ? "true" : "false");
    if (!project.name.empty()) compare("project", owner, project.name);
    // Said along with an operation, whichever.
    const bool is_said = !change.calls.empty() && change.calls.front().method == "POST";
    if (!change.differences.empty() && !is_said && !wanted.operations.empty()) {
      change.calls.insert(change.calls.begin(),
                          put_call(project, wanted, wanted.operations.front()));
    }
    if (!change.differences.empty()) change.verb = Verb::kUpdate;
  }
  return change;
}

}  // namespace berth::cli
