// SPDX-License-Identifier: Apache-2.0
#include "api/gateway_document.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <utility>

#include "api/gateway_assembly.hpp"
#include "api/gateway_routes.hpp"
#include "api/put_parts.hpp"
#include "base/json.hpp"
#include "entity/identity.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxTitle = 256;
constexpr const char* kConfiguration = "x-ibm-configuration";
constexpr const char* kKeyDefinition = "client_id";
constexpr const char* kProject = "x-berth-project";

std::string operation_id(std::string_view path, std::string_view method) {
  return fmt::format("{}_{}", method, path);
}

// A member that is an object; what is there otherwise is replaced.
json::object& object_in(json::object& object, std::string_view key) {
  json::value& value = object[key];
  if (!value.is_object()) value = json::object();
  return value.get_object();
}

// The table by operationId, as put_endpoint() makes it; what a client's document has there
// otherwise is kept if it can be.
json::array& cases_in(json::object& document) {
  json::value& execute = object_in(object_in(document, kConfiguration), "assembly")["execute"];
  if (!execute.is_array()) execute = json::array();
  json::array& steps = execute.get_array();
  json::object* with_switch = nullptr;
  for (json::value& step : steps) {
    json::object* object = step.if_object();
    if (object != nullptr && object->contains("operation-switch")) with_switch = object;
  }
  if (with_switch == nullptr) {
    steps.emplace_back(json::object());
    with_switch = &steps.back().get_object();
  }
  json::value& cases = object_in(*with_switch, "operation-switch")["case"];
  if (!cases.is_array()) cases = json::array();
  return cases.get_array();
}

bool is_case_of(const json::value& entry, std::string_view id) {
  const json::object* object = entry.if_object();
  const json::value* operations = object == nullptr ? nullptr : given(*object, "operations");
  return operations != nullptr && operations->is_array() && operations->get_array().size() == 1 &&
         operations->get_array().front().is_string() &&
         std::string_view(operations->get_array().front().get_string()) == id;
}

void remove_case(json::object& document, std::string_view id) {
  json::array& cases = cases_in(document);
  for (auto entry = cases.begin(); entry != cases.end();) {
    entry = is_case_of(*entry, id) ? cases.erase(entry) : entry + 1;
  }
}

std::string web_url(const Endpoint& endpoint, std::string_view host) {
  const activation::ActionName& action = endpoint.action;
  return fmt::format("{}/api/v1/web/{}/{}/{}.{}", host, action.namespace_name,
                     action.package.empty() ? "default" : action.package, action.name,
                     endpoint.extension);
}

// An object, or its text in a string.
Checked<json::object> object_or_text(const json::value& value, std::string_view pointer) {
  if (const json::object* object = value.if_object()) return *object;
  if (const json::string* text = value.if_string()) {
    auto tree = parse_json(*text, kMaxDepth);
    if (!tree) return wrong(pointer, tree.error().message());
    if (tree->is_object()) return std::move(tree->get_object());
  }
  return wrong(pointer, "must be an object, or a string with one");
}

std::optional<Failure> check_document(const json::object& document, std::string_view pointer) {
  const auto version = text_member(document, "swagger", fmt::format("{}/swagger", pointer));
  if (!version) return version.error();
  if (*version != "2.0") {
    return wrong(fmt::format("{}/swagger", pointer), "must be \"2.0\"");
  }
  const json::value* info = given(document, "info");
  if (info == nullptr || !info->is_object()) {
    return wrong(fmt::format("{}/info", pointer), "must be an object");
  }
  const std::string at = fmt::format("{}/info/title", pointer);
  const auto title = text_member(info->get_object(), "title", at);
  if (!title) return title.error();
  if (title->size() > kMaxTitle) {
    return wrong(at, fmt::format("is longer than {} characters", kMaxTitle));
  }
  return std::nullopt;
}

// "/ns/pkg/name", "pkg/name" or "name", of the namespace `space`.
Checked<activation::ActionName> action_name(std::string_view name, std::string space,
                                            std::string_view caller, std::string_view pointer) {
  if (name.starts_with('/')) {
    name.remove_prefix(1);
    const std::size_t end = std::min(name.find('/'), name.size());
    space = name.substr(0, end);
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  activation::ActionName action;
  action.namespace_name = space.empty() || space == "_" ? std::string(caller) : std::move(space);
  if (const std::size_t slash = name.find('/'); slash != std::string_view::npos) {
    action.package = name.substr(0, slash);
    name.remove_prefix(slash + 1);
    if (!entity::is_entity_name(action.package)) return wrong(pointer, "does not name an action");
  }
  action.name = name;
  if (!entity::is_entity_name(action.name) || !entity::is_entity_name(action.namespace_name)) {
    return wrong(pointer, "does not name an action");
  }
  return action;
}

Checked<Endpoint> parse_endpoint(const json::object& doc, std::string_view caller,
                                 std::string_view response_type) {
  Endpoint endpoint;
  const auto take = [&doc](const char* key, std::string& into) -> std::optional<Failure> {
    auto text = text_member(doc, key, fmt::format("/apidoc/{}", key));
    if (!text) return text.error();
    into = std::move(*text);
    return std::nullopt;
  };
  std::string method;
  for (const auto& [key, into] :
       {std::pair("gatewayBasePath", &endpoint.api), std::pair("gatewayPath", &endpoint.path),
        std::pair("gatewayMethod", &method)}) {
    if (auto failure = take(key, *into)) return *failure;
    if (into->empty()) return wrong(fmt::format("/apidoc/{}", key), "is missing");
  }
  if (auto failure = take("apiName", endpoint.title)) return *failure;
  if (endpoint.title.size() > kMaxTitle) {
    return wrong("/apidoc/apiName", fmt::format("is longer than {} characters", kMaxTitle));
  }
  const auto parts = parse_path_template(endpoint.path, "/apidoc/gatewayPath");
  if (!parts) return parts.error();
  for (char& c : method) c = http::to_lower(c);
  constexpr std::array<std::string_view, 7> kMethods = {"get",   "put",  "post",   "delete",
                                                        "patch", "head", "options"};
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end()) {
    return wrong("/apidoc/gatewayMethod", "must be GET, PUT, POST, DELETE, PATCH, HEAD or OPTIONS");
  }
  endpoint.method = std::move(method);
  endpoint.extension = response_type.empty() ? "json" : std::string(response_type);
  if (!extension_of(endpoint.extension)) {
    return Failure{400,
                   "The query parameter 'responsetype' was malformed:\nit must be http, json, "
                   "html, svg or text"};
  }

  const json::value* action = given(doc, "action");
  if (action == nullptr || !action->is_object()) {
    return wrong("/apidoc/action", "must be an object");
  }
  const json::object& object = action->get_object();
  const auto space = text_member(object, "namespace", "/apidoc/action/namespace");
  if (!space) return space.error();
  const auto name = text_member(object, "name", "/apidoc/action/name");
  if (!name) return name.error();
  auto named = action_name(*name, *space, caller, "/apidoc/action/name");
  if (!named) return named.error();
  endpoint.action = std::move(*named);
  if (const json::value* secret = given(object, "secureKey")) {
    if (secret->is_string()) endpoint.secret = secret->get_string();
    if (secret->is_number()) endpoint.secret = json::serialize(*secret);
  }
  return endpoint;
}

}  // namespace

Checked<ApiRequest> parse_api_request(const json::object& body, std::string_view caller,
                                      std::string_view response_type) {
  const json::value* value = given(body, "apidoc");
  if (value == nullptr) return wrong("/apidoc", "is missing");
  const auto doc = object_or_text(*value, "/apidoc");
  if (!doc) return doc.error();
  ApiRequest request;
  if (const json::value* swagger = given(*doc, "swagger")) {
    if (given(*doc, "gatewayBasePath") != nullptr) {
      return wrong("/apidoc", "has either swagger or gatewayBasePath");
    }
    auto document = object_or_text(*swagger, "/apidoc/swagger");
    if (!document) return document.error();
    if (auto failure = check_document(*document, "/apidoc/swagger")) return *failure;
    request.document = std::move(*document);
    return request;
  }
  auto endpoint = parse_endpoint(*doc, caller, response_type);
  if (!endpoint) return endpoint.error();
  request.endpoint = std::move(*endpoint);
  if (const json::value* cors = given(*doc, "cors")) {
    if (!cors->is_bool()) return wrong("/apidoc/cors", "must be true or false");
    request.cors = cors->get_bool();
  }
  if (const json::value* header = given(*doc, "keyHeader")) {
    if (!header->is_string() || (!header->get_string().empty() &&
                                 !http::is_token(std::string_view(header->get_string())))) {
      return wrong("/apidoc/keyHeader", "must be the name of a header, or empty");
    }
    request.key_header = std::string(header->get_string());
  }
  if (given(*doc, "project") != nullptr) {
    auto project = text_member(*doc, "project", "/apidoc/project");
    if (!project) return project.error();
    if (project->size() > kMaxTitle) {
      return wrong("/apidoc/project", fmt::format("is longer than {} characters", kMaxTitle));
    }
    request.project = std::move(*project);
  }
  return request;
}

json::object new_document(std::string_view base_path, std::string_view title) {
  return {{"swagger", "2.0"},
          {"basePath", base_path},
          {"info", {{"title", title.empty() ? base_path : title}, {"version", "1.0.0"}}},
          {"paths", json::object()},
          {kConfiguration,
           {{"cors", {{"enabled", true}}}, {"assembly", {{"execute", json::array()}}}}}};
}

void put_endpoint(json::object& document, const Endpoint& endpoint, std::string_view host) {
  const std::string id = operation_id(endpoint.path, endpoint.method);
  const std::string url = web_url(endpoint, host);
  const auto parts = parse_path_template(endpoint.path, "");
  json::array parameters;
  if (parts) {
    for (const PathPart& part : *parts) {
      if (!part.is_parameter) continue;
      parameters.push_back(json::object{
          {"name", part.text}, {"in", "path"}, {"required", true}, {"type", "string"}});
    }
  }
  json::object operation{
      {"operationId", id},
      {"responses", {{"default", {{"description", "What the action answers"}}}}},
      {"x-openwhisk",
       {{"namespace", endpoint.action.namespace_name},
        {"package", endpoint.action.package.empty() ? "default" : endpoint.action.package},
        {"action", endpoint.action.name},
        {"url", url}}}};
  const bool has_parameters = !parameters.empty();
  if (has_parameters) operation.emplace("parameters", std::move(parameters));
  object_in(object_in(document, "paths"), endpoint.path)[endpoint.method] = std::move(operation);

  json::array steps;
  if (!endpoint.secret.empty()) {
    steps.push_back(json::object{
        {"set-variable",
         {{"actions",
           {{{"set", "message.headers.X-Require-Whisk-Auth"}, {"value", endpoint.secret}}}}}}});
  }
  steps.push_back(json::object{
      {"invoke",
       {{"target-url", has_parameters ? url + "$(request.path)" : url}, {"verb", "keep"}}}});
  remove_case(document, id);
  json::object entry;
  entry.emplace("operations", json::array{json::value(id)});
  entry.emplace("execute", std::move(steps));
  cases_in(document).push_back(std::move(entry));
}

bool remove_endpoint(json::object& document, std::string_view path, std::string_view method) {
  json::object& paths = object_in(document, "paths");
  json::value* item = paths.if_contains(path);
  if (item == nullptr || !item->is_object()) return false;
  json::object& operations = item->get_object();
  if (!method.empty() && !operations.contains(method)) return false;
  for (const auto& [name, operation] : operations) {
    if (!method.empty() && std::string_view(name) != method) continue;
    const json::object* object = operation.if_object();
    const json::value* id = object == nullptr ? nullptr : given(*object, "operationId");
    if (id != nullptr && id->is_string()) {
      remove_case(document, std::string(id->get_string()));
    }
  }
  if (!method.empty()) operations.erase(method);
  if (method.empty() || operations.empty()) paths.erase(path);
  return true;
}

bool has_endpoints(const json::object& document) {
  const json::value* paths = given(document, "paths");
  return paths != nullptr && paths->is_object() && !paths->get_object().empty();
}

void set_cors(json::object& document, bool enabled) {
  object_in(object_in(document, kConfiguration), "cors")["enabled"] = enabled;
}

void set_key_header(json::object& document, std::string_view header) {
  document.erase("security");
  document.erase("securityDefinitions");
  if (header.empty()) return;
  json::object definition{
      {"type", "apiKey"}, {"in", "header"}, {"name", header}, {"x-key-type", "clientId"}};
  object_in(document, "securityDefinitions")[kKeyDefinition] = std::move(definition);
  json::object demand;
  demand.emplace(kKeyDefinition, json::array());
  json::array security;
  security.emplace_back(std::move(demand));
  document["security"] = std::move(security);
}

void set_project(json::object& document, std::string_view name) {
  document[kProject] = name;
}

std::string title_of(const json::object& document) {
  const json::value* info = given(document, "info");
  const json::value* title =
      info == nullptr || !info->is_object() ? nullptr : given(info->get_object(), "title");
  if (title != nullptr && title->is_string() && !title->get_string().empty()) {
    return std::string(title->get_string());
  }
  return base_path_of(document);
}

std::string base_path_of(const json::object& document) {
  const json::value* path = given(document, "basePath");
  return path != nullptr && path->is_string() ? std::string(path->get_string()) : std::string();
}

}  // namespace berth::api
