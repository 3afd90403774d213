// SPDX-License-Identifier: Apache-2.0
// What the server tells about itself: info documents, namespaces, limits, health, metrics.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <limits>

#include "api/documents.hpp"
#include "api/service.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMegabyte = 1024 * 1024;

// Clients read these as numbers; "as much as you like" is the largest they can hold.
std::int64_t allowance(Throttles::Number throttle) {
  return throttle.value_or(std::numeric_limits<std::int32_t>::max());
}

void send_text(Call& call, std::string body) {
  call.send({.content_type = "text/plain; charset=UTF-8", .body = std::move(body)});
}

}  // namespace

void get_info(const CallPtr& call) {
  const Dependencies& deps = call->deps();
  const entity::LimitBounds& bounds = deps.limits;
  json::object limits{
      {"actions_per_minute", allowance(deps.throttles.invocations_per_minute)},
      {"triggers_per_minute", allowance(deps.throttles.fires_per_minute)},
      {"concurrent_actions", allowance(deps.throttles.concurrent_invocations)},
      {"sequence_length", bounds.max_sequence_length},
      {"default_min_action_duration", bounds.timeout_ms.min},
      {"default_max_action_duration", bounds.timeout_ms.max},
      {"default_min_action_memory", bounds.memory_mb.min * kMegabyte},
      {"default_max_action_memory", bounds.memory_mb.max * kMegabyte},
      {"default_min_action_logs", bounds.logs_mb.min * kMegabyte},
      {"default_max_action_logs", bounds.logs_mb.max * kMegabyte},
      {"min_action_duration", bounds.timeout_ms.min},
      {"max_action_duration", bounds.timeout_ms.max},
      {"min_action_memory", bounds.memory_mb.min * kMegabyte},
      {"max_action_memory", bounds.memory_mb.max * kMegabyte},
      {"min_action_logs", bounds.logs_mb.min * kMegabyte},
      {"max_action_logs", bounds.logs_mb.max * kMegabyte},
  };
  // Clients look for the name of the API here, so the server's own stands beside it.
  json::object info{
      {"description", "OpenWhisk"},          {"server", "Berth " + deps.build.version},
      {"api_paths", json::array{"/api/v1"}}, {"limits", std::move(limits)},
      {"runtimes", deps.runtimes.to_json()},
  };
  call->send_json(json::serialize(info));
}

void get_api_info(const CallPtr& call) {
  const BuildInfo& build = call->deps().build;
  json::object info{
      {"description", "OpenWhisk API"},
      {"api_version", "1.0.0"},
      {"api_version_path", "v1"},
      {"build", build.build},
      {"buildno", build.version},
      {"swagger_paths", {{"ui", "/docs"}, {"api-docs", "/api-docs"}}},
  };
  call->send_json(json::serialize(info));
}

void get_api_docs(const CallPtr& call) {
  call->send_json(std::string(openapi_document()));
}

void get_docs(const CallPtr& call) {
  call->send({.content_type = "text/html; charset=UTF-8", .body = std::string(docs_page())});
}

void get_namespaces(const CallPtr& call) {
  call->send_json(json::serialize(json::array{json::value(call->user.namespace_name)}));
}

void get_limits(const CallPtr& call) {
  const entity::LimitBounds bounds = call->bounds();
  const Throttles throttles = call->throttles();
  json::object limits{
      {"invocationsPerMinute", allowance(throttles.invocations_per_minute)},
      {"concurrentInvocations", allowance(throttles.concurrent_invocations)},
      {"firesPerMinute", allowance(throttles.fires_per_minute)},
      {"minActionTimeout", bounds.timeout_ms.min},
      {"maxActionTimeout", bounds.timeout_ms.max},
      {"minActionMemory", bounds.memory_mb.min},
      {"maxActionMemory", bounds.memory_mb.max},
      {"minActionLogs", bounds.logs_mb.min},
      {"maxActionLogs", bounds.logs_mb.max},
      {"minActionConcurrency", bounds.concurrency.min},
      {"maxActionConcurrency", bounds.concurrency.max},
      {"maxParameterSize", bounds.max_parameters_bytes},
      {"maxPayloadSize", bounds.max_payload_bytes},
      {"truncationSize", bounds.max_result_bytes},
  };
  if (call->user.limits && call->user.limits->allowed_kinds) {
    limits["allowedKinds"] = json::value_from(*call->user.limits->allowed_kinds);
  }
  call->send_json(json::serialize(limits));
}

void get_health(const CallPtr& call) {
  switch (call->target.route) {
    case Route::kPing: return send_text(*call, "pong");
    case Route::kReady: {
      const auto& not_ready = call->deps().not_ready;
      const std::string reason = not_ready ? not_ready() : std::string();
      if (!reason.empty()) return call->fail(503, reason);
      return send_text(*call, "ready");
    }
    default: return send_text(*call, "ok");
  }
}

void get_metrics(const CallPtr& call) {
  call->send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
              .body = call->deps().metrics.text()});
}

}  // namespace berth::api
