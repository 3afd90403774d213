// SPDX-License-Identifier: Apache-2.0
// An invocation that no request waits for: what a rule, or the clock, starts. The same checks and
// throttles as those of a caller's. Private to core/api; belongs to the Api's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/service.hpp"

namespace berth::api {

struct Launch {
  std::string transaction_id;
  entity::Identity user;
  entity::ActionPtr action;  // as the Resolver gives it
  std::string payload;       // a JSON object, or blank
};

// Called once: with the activation's id when it is on disk, or why it does not run.
using Launched = std::function<void(Checked<std::string> activation_id)>;

void launch(const std::shared_ptr<Service>& service, Launch wanted, Launched done);

}  // namespace berth::api
