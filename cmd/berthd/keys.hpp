// SPDX-License-Identifier: Apache-2.0
// Every configuration key of berthd: its type, default, range and meaning. The reference in docs/
// is printed from this table by `berthd --reference`.
#pragma once

#include <vector>

#include "base/config.hpp"

namespace berth::daemon {

const std::vector<config::Key>& keys();

}  // namespace berth::daemon
