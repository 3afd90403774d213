// SPDX-License-Identifier: Apache-2.0
// /api/v1/web/NAMESPACE/PACKAGE/ACTION[.EXTENSION][/MORE]: actions that answer HTTP for anybody
// whom they let in. They run as the namespace that owns them, under its limits.
#include <boost/json/serialize.hpp>
#include <memory>
#include <utility>

#include "api/auth.hpp"
#include "api/invocation.hpp"
#include "api/web_request.hpp"
#include "api/web_response.hpp"
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
bool let_in(Call& call, const entity::Action& action,
            const std::optional<entity::Identity>& caller) {
  const boost::json::value* wanted = action.annotation("require-whisk-auth");
  if (wanted == nullptr) return true;
  if (wanted->is_bool()) return !wanted->get_bool() || caller.has_value();
  if (!wanted->is_string() && !wanted->is_number()) return false;
  const std::string secret =
      wanted->is_string() ? std::string(wanted->get_string()) : boost::json::serialize(*wanted);
  const auto given = call.request.header("X-Require-Whisk-Auth");
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

void run(const CallPtr& call, const entity::ActionPtr& action, WebExtension extension) {
  if (!is_true(*action, "web-export")) return call->fail(404, text::kNotFound);
  const bool custom_options = is_true(*action, "web-custom-options");
  const bool asks_options = call->request.method == "OPTIONS";
  if (asks_options && !custom_options) {
    return call->send({.status = 200, .content_type = ""});
  }
  WebCaller caller;
  caller.rest = call->target.rest;
  std::optional<entity::Identity> user;
  if (Checked<entity::Identity> known = authenticate(*call)) user = std::move(*known);
  if (!asks_options && !let_in(*call, *action, user)) {
    return call->fail(401, text::kBadAuthentication);
  }
  if (user) caller.namespace_name = user->namespace_name;
  const Checked<std::string> payload =
      web_arguments(call->request, caller, is_true(*action, "raw-http"));
  if (!payload) return call->fail(payload.error());
  call->own_cors = custom_options;
  invoke(call, action, *payload, manner_of(*call, extension));
}

}  // namespace

void invoke_web_action(const CallPtr& call) {
  if (!check_ready(*call)) return;
  Target& target = call->target;
  const WebName wanted = split_extension(target.name);
  std::optional<entity::Identity> owner = call->deps().auth.find_namespace(target.namespace_name);
  if (!owner || !entity::is_entity_name(target.package) || !entity::is_entity_name(wanted.name)) {
    return call->fail(404, text::kNotFound);
  }
  call->user = std::move(*owner);
  if (target.package == kDefaultPackage) target.package.clear();
  target.name = wanted.name;
  const entity::LimitBounds bounds = call->bounds();
  if (call->request.body.size() > bounds.max_payload_bytes) {
    return call->fail(too_large("Request", call->request.body.size(), bounds.max_payload_bytes));
  }
  call->service().resolver.resolve(
      call->executor(), {target.namespace_name, target.package, target.name},
      call->user.namespace_name,
      [call, extension = wanted.extension](const Result<entity::ActionPtr>& action) {
        if (action) return run(call, *action, extension);
        // Strangers learn nothing of what is not exported, and why.
        const Failure failure = to_failure(action.error());
        if (failure.status < 500 || action.error().code() == StatusCode::kPermissionDenied) {
          return call->fail(404, text::kNotFound);
        }
        call->fail(failure);
      });
}

}  // namespace berth::api
