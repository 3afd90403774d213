// SPDX-License-Identifier: Apache-2.0
// What the Apis of one server count together, on whichever threads they are. Private to core/api.
#pragma once

#include "api/gateway_changes.hpp"
#include "api/gateway_rates.hpp"
#include "api/throttle.hpp"

namespace berth::api {

// Each member is thread-safe.
struct Tallies {
  Throttle throttle;  // of invocations
  Throttle fires;     // of triggers
  GatewayRates gateway_rates;
  GatewayChanges gateway_changes;
};

}  // namespace berth::api
