// SPDX-License-Identifier: Apache-2.0
// One request: route, method, caller, names; then its handler.
#include "api/api.hpp"

#include <fmt/format.h>

#include "api/fire.hpp"
#include "api/gateway.hpp"
#include "api/service.hpp"
#include "api/usage.hpp"

namespace berth::api {
namespace {

constexpr std::size_t kMaxName = 256;

std::optional<Failure> check_entity_name(std::string_view name) {
  if (name.size() > kMaxName) {
    return Failure{
        400, fmt::format("Name segement longer than allowed: {} > {}.", name.size(), kMaxName)};
  }
  if (!entity::is_entity_name(name)) return Failure{400, std::string(text::kBadEntityName)};
  return std::nullopt;
}

// Whether what is asked of another's namespace is decided by its packages.
bool may_be_shared(const Call& call) {
  const Target& target = call.target;
  const bool reads = call.request.method == "GET";
  switch (target.route) {
    case Route::kPackages:
    case Route::kPackage:
    case Route::kPackageActions: return reads;
    case Route::kAction: return !target.package.empty() && (reads || call.request.method == "POST");
    default: return false;
  }
}

// Puts the caller's namespace for "_" and refuses those of others, and names that cannot be.
std::optional<Failure> check_names(Call& call) {
  Target& target = call.target;
  if (target.route == Route::kNamespaces) return std::nullopt;
  if (target.namespace_name == "_") target.namespace_name = call.user.namespace_name;
  if (!entity::is_entity_name(target.namespace_name)) {
    return Failure{400, std::string(text::kBadNamespace)};
  }
  const bool names_entity = target.route == Route::kAction || target.route == Route::kPackage ||
                            target.route == Route::kTrigger || target.route == Route::kRule;
  if (names_entity) {
    if (auto failure = check_entity_name(target.name)) return failure;
  }
  if (!target.package.empty() || target.route == Route::kPackageActions) {
    if (auto failure = check_entity_name(target.package)) return failure;
  }
  if (target.namespace_name != call.user.namespace_name && !may_be_shared(call)) {
    if (!names_entity) return Failure{403, std::string(text::kForbidden)};
    return forbidden(call.path());
  }
  return std::nullopt;
}

// What the caller's key must allow.
entity::Right right_of(std::string_view method) {
  if (method == "PUT") return entity::Right::kPut;
  if (method == "DELETE") return entity::Right::kDelete;
  return method == "POST" ? entity::Right::kActivate : entity::Right::kRead;
}

std::optional<Failure> check_rights(const Call& call) {
  const Target& target = call.target;
  if (target.route == Route::kNamespaces) return std::nullopt;
  if (call.user.rights.has(right_of(call.request.method))) return std::nullopt;
  if (target.name.empty()) return Failure{403, std::string(text::kForbidden)};
  return forbidden(call.path());
}

void dispatch(const CallPtr& call) {
  const std::string_view method = call->request.method;
  switch (call->target.route) {
    case Route::kInfo: return get_info(call);
    case Route::kPing:
    case Route::kHealth:
    case Route::kReady: return get_health(call);
    case Route::kMetrics: return get_metrics(call);
    case Route::kApiInfo: return get_api_info(call);
    case Route::kApiDocs: return get_api_docs(call);
    case Route::kDocs: return get_docs(call);
    case Route::kNamespaces: return get_namespaces(call);
    case Route::kLimits: return get_limits(call);
    case Route::kActions: return list_actions(call);
    case Route::kPackageActions: return list_actions(call);
    case Route::kPackages:
    case Route::kTriggers:
    case Route::kRules: return list_entities(call);
    case Route::kPackage:
      if (method == "PUT") return put_package(call);
      if (method == "DELETE") return delete_package(call);
      return get_package(call);
    case Route::kTrigger:
      if (method == "POST") return fire_trigger(call);
      if (method == "PUT") return put_trigger(call);
      if (method == "DELETE") return delete_trigger(call);
      return get_trigger(call);
    case Route::kRule:
      if (method == "POST") return set_rule_status(call);
      if (method == "PUT") return put_rule(call);
      if (method == "DELETE") return delete_rule(call);
      return get_rule(call);
    case Route::kAction:
      if (method == "POST") return invoke_action(call);
      if (method == "PUT") return put_action(call);
      if (method == "DELETE") return delete_action(call);
      return get_action(call);
    case Route::kActivations: return list_activations(call);
    case Route::kActivation: return get_activation(call);
    case Route::kActivationLogs: return get_activation_logs(call);
    case Route::kActivationResult: return get_activation_result(call);
    case Route::kWeb: return invoke_web_action(call);
    case Route::kGateway: return serve_gateway(call);
    case Route::kNone: return call->fail(404, text::kNotFound);
  }
}

void handle_call(const CallPtr& call) {
  RouteResult routed = route(call->request.path);
  call->target = std::move(routed.target);
  const Route route = call->target.route;
  if (routed.malformed) return call->fail(400, "The request path has a broken %-escape.");
  if (route == Route::kNone) return call->fail(404, text::kNotFound);
  if (call->request.method == "OPTIONS" && route >= Route::kApiInfo && !call->target.is_open()) {
    return call->send({.status = 200, .content_type = ""});
  }
  if (!allows(route, call->request.method)) {
    const std::string_view allowed = allowed_methods(route);
    http::Response response =
        error_response(405, fmt::format("HTTP method not allowed, supported methods: {}", allowed),
                       call->transaction_id);
    response.headers.emplace_back("Allow", allowed);
    return call->send(std::move(response));
  }
  if (call->target.needs_authentication()) {
    Checked<entity::Identity> user = authenticate(*call);
    if (!user) return call->fail(user.error());
    call->user = std::move(*user);
    if (const auto failure = check_names(*call)) return call->fail(*failure);
    if (const auto failure = check_rights(*call)) return call->fail(*failure);
  }
  Checked<Query> query = Query::parse(call->request.query);
  if (!query) return call->fail(query.error());
  call->query = std::move(*query);
  dispatch(call);
}

}  // namespace

std::shared_ptr<Tallies> make_tallies() {
  return std::make_shared<Tallies>();
}

Api::Api(Dependencies dependencies)
    : service_(std::make_shared<Service>(std::move(dependencies))) {}

Api::~Api() {
  *service_->over = true;
  service_->workers.join();
  service_->waiting.clear();
}

void Api::fire_trigger(const std::string& path, std::string payload,
                       std::function<void(const Status&)> done) {
  fire_by_path(service_, path, std::move(payload), std::move(done));
}

void Api::usage(const entity::Identity& who, std::function<void(Result<boost::json::value>)> done) {
  usage_of(service_, who, std::move(done));
}

void Api::handle(const http::Request& request, http::Responder responder) {
  const auto call = std::make_shared<Call>(service_, request, std::move(responder));
  handle_call(call);
}

}  // namespace berth::api
