// SPDX-License-Identifier: Apache-2.0
// What an activation has in the spool still: fetching and following both look there before they
// ask Splunk. Thread-safe.
#pragma once

#include <vector>

#include "hec_event.hpp"
#include "search.hpp"
#include "settings.hpp"
#include "spool.hpp"

namespace berth::splunk {

std::vector<Piece> spooled_pieces(const Settings& settings, const Spool& spool,
                                  const Wanted& wanted);

}  // namespace berth::splunk
