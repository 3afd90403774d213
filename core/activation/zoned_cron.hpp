// SPDX-License-Identifier: Apache-2.0
// A cron expression by the clock of a time zone.
#pragma once

#include <cstdint>
#include <optional>

#include "activation/time_zone.hpp"
#include "base/cron.hpp"

namespace berth::activation {

// The first time after `after_ms`, in ms since the epoch, at which the zone's clock shows what the
// expression says; nullopt as Cron::next.
//
// Where the clock is put forward, what would have rung in the time left out rings once, as it is
// put. Where it is put back, what has rung is not repeated. An expression for every hour knows
// neither: it goes on through both.
std::optional<std::int64_t> next_in_zone(const Cron& cron, const TimeZone& zone,
                                         std::int64_t after_ms);

}  // namespace berth::activation
