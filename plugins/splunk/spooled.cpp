// SPDX-License-Identifier: Apache-2.0
#include "spooled.hpp"

#include <algorithm>
#include <iterator>

namespace berth::splunk {

std::vector<Piece> spooled_pieces(const Settings& settings, const Spool& spool,
                                  const Wanted& wanted) {
  std::vector<Piece> pieces;
  for (const std::string& events : spool.pending(record_id(wanted.activation_id))) {
    std::ranges::move(parse_events(settings, events, wanted.namespace_name),
                      std::back_inserter(pieces));
  }
  return pieces;
}

}  // namespace berth::splunk
