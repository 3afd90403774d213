// SPDX-License-Identifier: Apache-2.0
#include "api/router.hpp"

#include <optional>

#include "http/message.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kPrefix = "/api/v1";
// namespaces/NS/actions/PACKAGE/NAME is the longest.
constexpr std::size_t kMaxSegments = 5;

constexpr std::array<std::string_view, kRoutes> kNames = {"none",
                                                          "info",
                                                          "ping",
                                                          "healthz",
                                                          "readyz",
                                                          "metrics",
                                                          "api_info",
                                                          "api_docs",
                                                          "docs",
                                                          "namespaces",
                                                          "limits",
                                                          "actions",
                                                          "action",
                                                          "package_actions",
                                                          "packages",
                                                          "package",
                                                          "triggers",
                                                          "trigger",
                                                          "rules",
                                                          "rule",
                                                          "activations",
                                                          "activation",
                                                          "activation_logs",
                                                          "activation_result",
                                                          "web",
                                                          "gateway"};

struct Segments {
  std::array<std::string_view, kMaxSegments + 1> at;
  std::size_t count = 0;  // kMaxSegments + 1: too many
  bool trailing_slash = false;
};

Segments split(std::string_view path) {
  Segments segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment.empty() && path.empty()) {
      segments.trailing_slash = true;
      break;
    }
    segments.at[segments.count++] = segment;
    if (segments.count > kMaxSegments) break;
  }
  return segments;
}

bool decode(std::string_view text, std::string& out) {
  if (text.find('%') == std::string_view::npos) {
    out.assign(text);
    return true;
  }
  std::optional<std::string> decoded = http::percent_decode(text);
  if (!decoded) return false;
  out = std::move(*decoded);
  return true;
}

Route simple_route(std::string_view path) {
  if (path == "/") return Route::kInfo;
  if (path == "/ping") return Route::kPing;
  if (path == "/healthz") return Route::kHealth;
  if (path == "/readyz") return Route::kReady;
  if (path == "/metrics") return Route::kMetrics;
  return Route::kNone;
}

Route activation_route(const Segments& segments) {
  switch (segments.count) {
    case 3: return Route::kActivations;
    case 4: return Route::kActivation;
    case 5:
      if (segments.at[4] == "logs") return Route::kActivationLogs;
      if (segments.at[4] == "result") return Route::kActivationResult;
      return Route::kNone;
    default: return Route::kNone;
  }
}

Route action_route(const Segments& segments) {
  switch (segments.count) {
    case 3: return Route::kActions;
    case 4: return segments.trailing_slash ? Route::kPackageActions : Route::kAction;
    case 5: return Route::kAction;
    default: return Route::kNone;
  }
}

// A collection without a second level.
Route flat_route(const Segments& segments, Route collection, Route one) {
  if (segments.count == 3) return collection;
  return segments.count == 4 ? one : Route::kNone;
}

// NAMESPACE/PACKAGE/ACTION[.EXTENSION][/MORE], after "/web/".
void route_web(std::string_view path, RouteResult& result) {
  Target& target = result.target;
  for (std::string* part : {&target.namespace_name, &target.package, &target.name}) {
    const std::size_t end = std::min(path.find('/'), path.size());
    result.malformed |= !decode(path.substr(0, end), *part);
    path.remove_prefix(end);
    if (part != &target.name && !path.empty()) path.remove_prefix(1);
  }
  target.rest = path;
  if (!target.name.empty()) target.route = Route::kWeb;
}

// NAMESPACE/PATH, after "/gw/".
void route_gateway(std::string_view path, RouteResult& result) {
  const std::size_t end = std::min(path.find('/'), path.size());
  result.malformed |= !decode(path.substr(0, end), result.target.namespace_name);
  result.target.rest = path.substr(end);
  if (!result.target.namespace_name.empty()) result.target.route = Route::kGateway;
}

}  // namespace

std::string_view route_name(Route route) {
  return kNames[static_cast<std::size_t>(route)];
}

RouteResult route(std::string_view path) {
  RouteResult result;
  Target& target = result.target;
  if (!path.starts_with(kPrefix) || (path.size() > kPrefix.size() && path[kPrefix.size()] != '/')) {
    target.route = simple_route(path);
    return result;
  }
  constexpr std::string_view kWeb = "/web/";
  if (path.substr(kPrefix.size()).starts_with(kWeb)) {
    route_web(path.substr(kPrefix.size() + kWeb.size()), result);
    return result;
  }
  constexpr std::string_view kGateway = "/gw/";
  if (path.substr(kPrefix.size()).starts_with(kGateway)) {
    route_gateway(path.substr(kPrefix.size() + kGateway.size()), result);
    return result;
  }
  const Segments segments = split(path.substr(kPrefix.size()));
  if (segments.count == 0) {
    target.route = Route::kApiInfo;
    return result;
  }
  if (segments.count == 1 && segments.at[0] == "api-docs") {
    target.route = Route::kApiDocs;
    return result;
  }
  if (segments.count == 1 && segments.at[0] == "docs") {
    target.route = Route::kDocs;
    return result;
  }
  if (segments.at[0] != "namespaces" || segments.count > kMaxSegments) return result;
  if (segments.count == 1) {
    target.route = Route::kNamespaces;
    return result;
  }
  result.malformed = !decode(segments.at[1], target.namespace_name);
  if (segments.count == 2) return result;
  const std::string_view collection = segments.at[2];
  if (collection == "actions") {
    target.route = action_route(segments);
    if (target.route == Route::kPackageActions || segments.count == 5) {
      result.malformed |= !decode(segments.at[3], target.package);
    }
    if (target.route == Route::kAction) {
      result.malformed |= !decode(segments.at[segments.count - 1], target.name);
    }
  } else if (collection == "activations") {
    target.route = activation_route(segments);
    if (segments.count > 3) result.malformed |= !decode(segments.at[3], target.name);
  } else if (collection == "limits") {
    if (segments.count == 3) target.route = Route::kLimits;
  } else if (collection == "packages") {
    target.route = flat_route(segments, Route::kPackages, Route::kPackage);
  } else if (collection == "triggers") {
    target.route = flat_route(segments, Route::kTriggers, Route::kTrigger);
  } else if (collection == "rules") {
    target.route = flat_route(segments, Route::kRules, Route::kRule);
  }
  const Route found = target.route;
  if (found == Route::kPackage || found == Route::kTrigger || found == Route::kRule) {
    result.malformed |= !decode(segments.at[3], target.name);
  }
  return result;
}

std::string_view allowed_methods(Route route) {
  switch (route) {
    case Route::kAction:
    case Route::kTrigger:
    case Route::kRule: return "GET, PUT, POST, DELETE";
    case Route::kPackage: return "GET, PUT, DELETE";
    case Route::kWeb:
    case Route::kGateway: return "GET, DELETE, POST, PUT, HEAD, OPTIONS, PATCH";
    case Route::kNone: return "";
    default: return "GET";
  }
}

bool allows(Route route, std::string_view method) {
  if (method == "GET") return true;
  if (route == Route::kWeb || route == Route::kGateway) {
    return method == "POST" || method == "PUT" || method == "DELETE" || method == "HEAD" ||
           method == "OPTIONS" || method == "PATCH";
  }
  const bool named = route == Route::kAction || route == Route::kPackage ||
                     route == Route::kTrigger || route == Route::kRule;
  if (method == "PUT" || method == "DELETE") return named;
  return method == "POST" && named && route != Route::kPackage;
}

}  // namespace berth::api
