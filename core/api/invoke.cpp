// SPDX-License-Identifier: Apache-2.0
// POST .../actions/NAME.
#include <charconv>
#include <fmt/format.h>

#include "api/invocation.hpp"

namespace berth::api {
namespace {

struct Options {
  bool blocking = false;
  bool result_only = false;
  std::chrono::milliseconds wait{};
};

Checked<Options> parse_options(const Query& query, std::int64_t max_wait_ms) {
  Options options;
  options.wait = std::chrono::milliseconds(max_wait_ms);
  const Checked<bool> blocking = query.boolean("blocking", false);
  if (!blocking) return blocking.error();
  const Checked<bool> result = query.boolean("result", false);
  if (!result) return result.error();
  options.blocking = *blocking;
  options.result_only = *result;
  if (const auto text = query.get("timeout")) {
    std::int64_t wait = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), wait);
    if (error != std::errc() || end != text->data() + text->size() || wait < 1 ||
        wait > max_wait_ms) {
      return Failure{400,
                     fmt::format("Timeout must be number of milliseconds up to {}.", max_wait_ms)};
    }
    options.wait = std::chrono::milliseconds(wait);
  }
  return options;
}

int status_of(entity::Outcome outcome) {
  switch (outcome) {
    case entity::Outcome::kSuccess: return 200;
    case entity::Outcome::kApplicationError:
    case entity::Outcome::kDeveloperError: return 502;
    case entity::Outcome::kWhiskError: return 500;
  }
  return 500;
}

// The caller may ask for the record later.
http::Response accepted_response(const Call&, std::string_view activation_id) {
  http::Response response;
  response.status = 202;
  response.body.append("{\"activationId\":\"").append(activation_id).append("\"}");
  return response;
}

http::Response outcome_response(const entity::Activation& activation, bool result_only) {
  http::Response response;
  response.status = status_of(activation.outcome);
  // A bare array has no room for the record's members: it is always the whole body.
  response.body = result_only || activation.result.starts_with('[') ? activation.result
                                                                    : entity::to_json(activation);
  return response;
}

Manner manner_of(const Options& options) {
  Manner manner;
  manner.blocking = options.blocking;
  manner.wait = options.wait;
  manner.accepted = accepted_response;
  manner.outcome = [result_only = options.result_only](const Call&,
                                                       const entity::Activation& activation) {
    return outcome_response(activation, result_only);
  };
  return manner;
}

}  // namespace

void invoke_action(const CallPtr& call) {
  if (!check_ready(*call)) return;
  const entity::LimitBounds bounds = call->bounds();
  const Checked<Options> options = parse_options(call->query, bounds.max_blocking_wait_ms);
  if (!options) return call->fail(options.error());
  if (!check_content_type(*call)) return;
  if (call->request.body.size() > bounds.max_payload_bytes) {
    return call->fail(too_large("Request", call->request.body.size(), bounds.max_payload_bytes));
  }
  with_action(call, [call, options = *options](const entity::ActionPtr& action) {
    invoke(call, action, call->request.body, manner_of(options));
  });
}

}  // namespace berth::api
