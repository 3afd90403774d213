// SPDX-License-Identifier: Apache-2.0
#include "api_calls.hpp"

#include <algorithm>

#include "http.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

std::string action_of(const json::object& names) {
  const json::value all(names);
  std::string name = '/' + text_of(all, "namespace") + '/';
  const std::string package = text_of(all, "package");
  if (!package.empty() && package != "default") name += package + '/';
  return name + text_of(all, "action");
}

// "json" of ".../page.json"; no extension is "http".
std::string type_of_url(std::string_view url) {
  for (const std::string_view type : kResponseTypes) {
    if (url.ends_with(type) && url.size() > type.size() && url[url.size() - type.size() - 1] == '.')
      return std::string(type);
  }
  return "http";
}

}  // namespace

std::string api_method(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const bool known = std::find(kApiMethods.begin(), kApiMethods.end(), word) != kApiMethods.end();
  return known ? word : "";
}

std::string management(const std::string& name, const std::string& query) {
  return "/api/v1/web/whisk.system/apimgmt/" + name + ".http" + (query.empty() ? "" : "?" + query);
}

std::string query_of(const ApiPlace& place) {
  std::string query = "basepath=" + encode_segment(place.api);
  if (!place.path.empty()) query += "&relpath=" + encode_segment(place.path);
  if (!place.method.empty()) query += "&operation=" + encode_segment(place.method);
  return query;
}

std::vector<ApiOperation> operations_of(const json::object& document) {
  std::vector<ApiOperation> operations;
  const json::value* paths = document.if_contains("paths");
  if (paths == nullptr || !paths->is_object()) return operations;
  for (const auto& [path, item] : paths->get_object()) {
    if (!item.is_object()) continue;
    for (const auto& [name, operation] : item.get_object()) {
      ApiOperation found{.path = std::string(path), .method = api_method(std::string(name))};
      if (found.method.empty() || !operation.is_object()) continue;
      const json::value* names = operation.get_object().if_contains("x-openwhisk");
      if (names != nullptr && names->is_object()) {
        found.action = action_of(names->get_object());
        found.response_type = type_of_url(text_of(*names, "url"));
      }
      operations.push_back(std::move(found));
    }
  }
  return operations;
}

json::object endpoint_of(const std::string& api, const ApiOperation& operation) {
  const std::string& action = operation.action;
  const std::size_t slash = std::min(action.find('/', 1), action.size());
  return {{"namespace", "_"},
          {"gatewayBasePath", api},
          {"gatewayPath", operation.path},
          {"gatewayMethod", operation.method},
          {"action",
           {{"namespace", action.substr(1, slash - 1)},
            {"name", action.substr(std::min(slash + 1, action.size()))}}}};
}

}  // namespace berth::cli
