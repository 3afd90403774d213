// SPDX-License-Identifier: Apache-2.0
// About how many bytes an entity takes in memory, for what keeps many of them and is bounded by
// bytes. Thread-safe.
#pragma once

#include <cstddef>

#include "entity/action.hpp"

namespace berth::entity {

std::size_t footprint(const Parameters& parameters);
std::size_t footprint(const Action& action);

}  // namespace berth::entity
