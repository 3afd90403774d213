// SPDX-License-Identifier: Apache-2.0
// From a request's path to what is asked for. Stateless; it knows paths and methods, not entities.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/errors.hpp"
#include "base/result.hpp"

namespace berth::api {

// What a path names. The order is that of route_name()'s table.
enum class Route : std::uint8_t {
  kNone,  // no such path
  kInfo,
  kPing,
  kHealth,
  kReady,
  kMetrics,
  kApiInfo,
  kApiDocs,  // the description of the API
  kDocs,     // the same as a page
  kNamespaces,
  kLimits,
  kActions,         // the collection
  kAction,          // one of them
  kPackageActions,  // the collection of a package
  kPackages,
  kPackage,
  kTriggers,
  kTrigger,
  kRules,
  kRule,
  kActivations,
  kActivation,
  kActivationLogs,
  kActivationResult,
  kWeb,      // a web action, by whatever path under it
  kGateway,  // what an API of a namespace answers
};
inline constexpr std::size_t kRoutes = static_cast<std::size_t>(Route::kGateway) + 1;

// A short name for metrics and logs, e.g. "activation_logs".
std::string_view route_name(Route route);

struct Target {
  Route route = Route::kNone;
  std::string namespace_name;  // decoded; "_" is the caller's own
  std::string package;         // of an action or its collection; decoded; empty: none
  std::string name;            // of the entity, or an activation's id; decoded
  // kWeb: what follows the action's name, kGateway: the namespace's; as sent: "" or "/..."
  std::string rest;

  // A web action or an API itself decides whom it lets in.
  bool is_open() const { return route == Route::kWeb || route == Route::kGateway; }
  bool needs_authentication() const { return route >= Route::kNamespaces && !is_open(); }
};

// Takes the path apart. A broken %-escape is a Failure of 400.
struct RouteResult {
  Target target;
  bool malformed = false;
};
RouteResult route(std::string_view path);

// The methods that the route answers, as an Allow header has them; e.g. "GET, PUT, POST, DELETE".
std::string_view allowed_methods(Route route);
// Whether `method` is one of them.
bool allows(Route route, std::string_view method);

}  // namespace berth::api
