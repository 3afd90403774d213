// SPDX-License-Identifier: Apache-2.0
// What every way to invoke an action through the API shares: checks, arguments, throttle, the wait
// for the outcome. Private to core/api; everything belongs to the Api's thread.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include "api/service.hpp"
#include "entity/activation.hpp"

namespace berth::api {

// How an invocation's caller is answered.
struct Manner {
  bool blocking = false;
  std::chrono::milliseconds wait{};  // blocking: how long its caller waits for the outcome
  // The answer to one that goes on without its caller.
  std::function<http::Response(const Call&, std::string_view activation_id)> accepted;
  // blocking: the answer to one that ended in time.
  std::function<http::Response(const Call&, const entity::Activation&)> outcome;
};

// Why entity::merge_arguments() did not take a payload, in OpenWhisk's words.
Failure arguments_failure(const Status& why);

// What the action is run with: `payload` over its parameters. Else why this user may not run it, or
// not with that.
Checked<std::string> arguments_of(Service& service, const entity::Identity& user,
                                  const entity::Action& action, std::string_view payload);

// Invokes `action` as call->user, with `payload` (a JSON object, or blank) over its parameters. The
// call is answered in that manner, or with what is wrong.
void invoke(const CallPtr& call, const entity::ActionPtr& action, std::string_view payload,
            Manner manner);
// The same with arguments that are merged already: JSON on one line, of an action without
// parameters.
void invoke_with(const CallPtr& call, const entity::ActionPtr& action, std::string arguments,
                 Manner manner);

}  // namespace berth::api
