// SPDX-License-Identifier: Apache-2.0
// /api/v1/web/NAMESPACE/PACKAGE/ACTION[.EXTENSION][/MORE]: actions that answer HTTP for anybody
// whom they let in. They run as the namespace that owns them, under its limits.
#include "api/web.hpp"

#include <boost/json/serialize.hpp>
#include <memory>
#include <utility>

#include "api/auth.hpp"
#include "api/gateway.hpp"
#include "api/invocation.hpp"
#include "api/web_request.hpp"
#include "base/ids.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kDefaultPackage = "default";

bool is_true(const entity::Action& action, std::string_view annotation) {
  const boost::json::value* value = action.annotation(annotation);
  return value != nullptr && value->is_bool() && value->get_bool();
}

// Whether the request may run the action; `caller` is whose key came with it.
bool let_in(Call& call, const entity::Action& action, const std::string& own_secret,
            const std::optional<entity::Identity>& caller) {
  const boost::json::value* wanted = action.annotation("require-whisk-auth");
  if (wanted == nullptr) return true;
  if (wanted->is_bool()) return !wanted->get_bool() || caller.has_value();
  if (!wanted->is_string() && !wanted->is_number()) return false;
  const std::string secret =
      wanted->is_string() ? std::string(wanted->get_string()) : boost::json::serialize(*wanted);
  std::optional<std::string_view> given = call.request.header("X-Require-Whisk-Auth");
  if (!own_secret.empty()) given = own_secret;
  return given && constant_time_equal(*given, secret);
}

Manner manner_of(const Call& call, WebExtension extension) {
  Manner manner;
  manner.blocking = true;
  manner.wait = std::chrono::milliseconds(call.bounds().max_blocking_wait_ms);
  manner.accepted = [](const Call& waiting, std::string_view) {
    return error_response(202, "Response not yet ready.", waiting.transaction_id);
  };
  manner.outcome = [extension](const Call& waiting, const entity::Activation& activation) {
    return web_response(activation, extension, waiting.transaction_id);
  };
  return manner;
}

void run(const CallPtr& call, const entity::ActionPtr& action, const WebRun& wanted) {
  if (!is_true(*action, "web-export")) return call->fail(404, text::kNotFound);
  const bool custom_options = is_true(*action, "web-custom-options");
  const bool asks_options = call->request.method == "OPTIONS";
  if (asks_options && !custom_options) {
    return call->send({.status = 200, .content_type = ""});
  }
  WebCaller caller;
  caller.rest = wanted.rest;
  caller.fields = &wanted.fields;
  std::optional<entity::Identity> user;
  if (Checked<entity::Identity> known = authenticate(*call)) user = std::move(*known);
  const bool is_open = wanted.opens_own && action->namespace_name == call->user.namespace_name;
  if (!asks_options && !is_open && !let_in(*call, *action, wanted.secret, user)) {
    return call->fail(401, text::kBadAuthentication);
  }
  if (user) caller.namespace_name = user->namespace_name;
  const bool raw = is_true(*action, "raw-http");
  if (!raw && (action->parameters.empty() || action->flow == entity::Flow::kSequence)) {
    if (auto arguments = plain_web_arguments(call->request, caller)) {
      call->own_cors |= custom_options;
      return invoke_with(call, action, std::move(*arguments), manner_of(*call, wanted.extension));
    }
  }
  const Checked<std::string> payload = web_arguments(call->request, caller, raw);
  if (!payload) return call->fail(payload.error());
  call->own_cors |= custom_options;
  invoke(call, action, *payload, manner_of(*call, wanted.extension));
}

}  // namespace

void run_web_action(const CallPtr& call, WebRun wanted) {
  const activation::ActionName name = wanted.action;
  const entity::LimitBounds bounds = call->bounds();
  if (call->request.body.size() > bounds.max_payload_bytes) {
    return call->fail(too_large("Request", call->request.body.size(), bounds.max_payload_bytes));
  }
  call->service().resolver.resolve(
      call->executor(), name, call->user.namespace_name,
      [call, wanted = std::move(wanted)](const Result<entity::ActionPtr>& action) {
        if (action) return run(call, *action, wanted);
        // Strangers learn nothing of what is not exported, and why.
        const Failure failure = to_failure(action.error());
        if (failure.status < 500 || action.error().code() == StatusCode::kPermissionDenied) {
          return call->fail(404, text::kNotFound);
        }
        call->fail(failure);
      });
}

void invoke_web_action(const CallPtr& call) {
  if (is_gateway_management(call->target)) return manage_gateway(call);
  if (!check_ready(*call)) return;
  const Target& target = call->target;
  WebName wanted = split_extension(target.name);
  std::optional<entity::Identity> owner = call->deps().auth.find_namespace(target.namespace_name);
  if (!owner || owner->blocked || !entity::is_entity_name(target.package) ||
      !entity::is_entity_name(wanted.name)) {
    return call->fail(404, text::kNotFound);
  }
  call->user = std::move(*owner);
  WebRun run;
  run.action = {target.namespace_name,
                target.package == kDefaultPackage ? std::string() : target.package,
                std::move(wanted.name)};
  run.extension = wanted.extension;
  run.rest = target.rest;
  run_web_action(call, std::move(run));
}

}  // namespace berth::api
