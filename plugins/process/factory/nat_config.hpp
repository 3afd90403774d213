// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.process.nat] table. A pure function.
#pragma once

#include "factory/table_reader.hpp"
#include "protocol/protocol.hpp"

namespace berth::process {

// Reads the member "nat" of the plugin's table over the defaults; refusals go to `reader`.
void read_nat(TableReader& reader, NatSettings& nat);

}  // namespace berth::process
