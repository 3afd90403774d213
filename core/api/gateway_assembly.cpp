// SPDX-License-Identifier: Apache-2.0
#include "api/gateway_assembly.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <utility>

#include "api/put_parts.hpp"
#include "entity/identity.hpp"
#include "http/message.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kWebPath = "/api/v1/web/";
constexpr std::string_view kRequestPath = "$(request.path)";
constexpr std::size_t kMaxUrl = 2048;
constexpr std::string_view kSecretHeader = "message.headers.X-Require-Whisk-Auth";

// The value of a set-variable; numbers are secrets, too.
std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

std::string take_secret(const json::object& step) {
  const json::value* actions = given(step, "actions");
  if (actions == nullptr || !actions->is_array()) return {};
  for (const json::value& action : actions->get_array()) {
    const json::object* object = action.if_object();
    const json::value* name = object == nullptr ? nullptr : given(*object, "set");
    const json::value* value = object == nullptr ? nullptr : given(*object, "value");
    if (name == nullptr || value == nullptr || !name->is_string()) continue;
    if (http::iequals(name->get_string(), kSecretHeader)) return text_of(*value);
  }
  return {};
}

}  // namespace

std::optional<WebExtension> extension_of(std::string_view word) {
  const std::string name = fmt::format("a.{}", word);
  const WebName split = split_extension(name);
  if (split.name != "a") return std::nullopt;
  return split.extension;
}

std::optional<WebUrl> parse_web_url(std::string_view url) {
  const std::size_t at = url.find(kWebPath);
  if (at == std::string_view::npos) return std::nullopt;
  url.remove_prefix(at + kWebPath.size());
  WebUrl parsed;
  parsed.whole_path = url.ends_with(kRequestPath);
  if (parsed.whole_path) url.remove_suffix(kRequestPath.size());
  std::string* const parts[] = {&parsed.action.namespace_name, &parsed.action.package,
                                &parsed.action.name};
  for (std::string* part : parts) {
    const std::size_t end = std::min(url.find('/'), url.size());
    auto decoded = http::percent_decode(url.substr(0, end));
    if (!decoded) return std::nullopt;
    *part = std::move(*decoded);
    url.remove_prefix(std::min(end + 1, url.size()));
  }
  if (!url.empty()) return std::nullopt;
  WebName name = split_extension(parsed.action.name);
  parsed.action.name = std::move(name.name);
  parsed.extension = name.extension;
  if (parsed.action.package == "default") parsed.action.package.clear();
  return parsed;
}

Checked<GatewayAssembly::Case> GatewayAssembly::read_steps(const json::array& steps,
                                                           std::string_view pointer) {
  Case found;
  std::size_t index = 0;
  for (const json::value& step : steps) {
    const std::string at = fmt::format("{}/{}", pointer, index++);
    const json::object* object = step.if_object();
    if (object == nullptr) return wrong(at, "must be an object");
    for (const auto& [name, value] : *object) {
      const json::object* policy = value.if_object();
      if (policy == nullptr) {
        return wrong(fmt::format("{}/{}", at, pointer_part(name)), "must be an object");
      }
      if (name == "invoke") {
        auto url = text_member(*policy, "target-url", at + "/invoke/target-url");
        if (!url) return url.error();
        if (url->size() > kMaxUrl) {
          return wrong(at + "/invoke/target-url",
                       fmt::format("is longer than {} characters", kMaxUrl));
        }
        found.url = std::move(*url);
      } else if (name == "set-variable") {
        if (std::string secret = take_secret(*policy); !secret.empty()) {
          found.secret = std::make_shared<const std::string>(std::move(secret));
        }
      } else if (name != "operation-switch") {
        return wrong(fmt::format("{}/{}", at, pointer_part(name)), "is not supported");
      }
    }
  }
  return found;
}

Checked<GatewayAssembly> GatewayAssembly::read(const json::object& document,
                                               std::string_view pointer) {
  GatewayAssembly assembly;
  for (const char* key : {"x-gateway-configuration", "x-ibm-configuration"}) {
    const json::value* configuration = given(document, key);
    if (configuration == nullptr || !configuration->is_object()) continue;
    const json::value* member = given(configuration->get_object(), "assembly");
    if (member == nullptr || !member->is_object()) continue;
    const json::value* execute = given(member->get_object(), "execute");
    if (execute == nullptr) continue;
    const std::string at = fmt::format("{}/{}/assembly/execute", pointer, key);
    const json::array* steps = execute->if_array();
    if (steps == nullptr) return wrong(at, "must be an array");
    auto all = read_steps(*steps, at);
    if (!all) return all.error();
    assembly.all_ = std::move(*all);
    std::size_t index = 0;
    for (const json::value& step : *steps) {
      const std::string here = fmt::format("{}/{}/operation-switch/case", at, index++);
      const json::value* choice = given(step.get_object(), "operation-switch");
      if (choice == nullptr) continue;
      const json::value* cases = given(choice->get_object(), "case");
      if (cases == nullptr || !cases->is_array()) return wrong(here, "must be an array");
      std::size_t number = 0;
      for (const json::value& entry : cases->get_array()) {
        const std::string each = fmt::format("{}/{}", here, number++);
        const json::object* object = entry.if_object();
        const json::value* ids = object == nullptr ? nullptr : given(*object, "operations");
        const json::value* inner = object == nullptr ? nullptr : given(*object, "execute");
        if (ids == nullptr || !ids->is_array() || inner == nullptr || !inner->is_array()) {
          return wrong(each, "must be an object with the arrays operations and execute");
        }
        auto read = read_steps(inner->get_array(), each + "/execute");
        if (!read) return read.error();
        const auto one = std::make_shared<const Case>(std::move(*read));
        for (const json::value& id : ids->get_array()) {
          if (!id.is_string()) return wrong(each + "/operations", "must be strings");
          assembly.cases_[std::string(id.get_string())] = one;
          if (assembly.cases_.size() > GatewayRoutes::kMaxOperations) {
            return wrong(each + "/operations", fmt::format("an API has at most {} operations",
                                                           GatewayRoutes::kMaxOperations));
          }
        }
      }
    }
  }
  return assembly;
}

Checked<GatewayOperation> GatewayAssembly::target(const json::object& operation,
                                                  std::string_view own_namespace,
                                                  std::string_view pointer) const {
  GatewayOperation target;
  const auto id = text_member(operation, "operationId", fmt::format("{}/operationId", pointer));
  if (!id) return id.error();
  const auto found = cases_.find(*id);
  const Case& chosen = found != cases_.end() ? *found->second : all_;
  target.secret = chosen.secret ? chosen.secret : all_.secret;
  std::string url = chosen.url;

  const std::string at = fmt::format("{}/x-openwhisk", pointer);
  const json::value* extension = given(operation, "x-openwhisk");
  if (extension != nullptr && !extension->is_object()) return wrong(at, "must be an object");
  if (extension != nullptr && url.empty()) {
    const auto member = text_member(extension->get_object(), "url", at + "/url");
    if (!member) return member.error();
    url = *member;
  }
  const auto asked = parse_web_url(url);
  if (!url.empty() && !asked) {
    return wrong(pointer,
                 "the URL of its web action is not .../api/v1/web/NAMESPACE/PACKAGE/"
                 "ACTION.EXTENSION");
  }
  if (asked) {
    target.action = asked->action;
    target.extension = asked->extension;
    target.whole_path = asked->whole_path;
  }
  if (extension != nullptr) {
    const json::object& names = extension->get_object();
    for (const auto& [key, into] :
         {std::pair("namespace", &target.action.namespace_name),
          std::pair("package", &target.action.package), std::pair("action", &target.action.name)}) {
      auto text = text_member(names, key, fmt::format("{}/{}", at, key));
      if (!text) return text.error();
      // An action without a package is written with an empty one, too.
      const bool is_package = into == &target.action.package;
      if (!text->empty() || (is_package && given(names, key) != nullptr)) *into = std::move(*text);
    }
    if (target.action.package == "default") target.action.package.clear();
  }
  if (target.action.name.empty()) return wrong(at, "is missing: which action is it?");
  if (target.action.namespace_name.empty() || target.action.namespace_name == "_") {
    target.action.namespace_name = own_namespace;
  }
  if (!entity::is_entity_name(target.action.namespace_name) ||
      !entity::is_entity_name(target.action.name) ||
      (!target.action.package.empty() && !entity::is_entity_name(target.action.package))) {
    return wrong(at, "does not name an action");
  }
  return target;
}

}  // namespace berth::api
