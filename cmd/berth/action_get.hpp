// SPDX-License-Identifier: Apache-2.0
// berth action get.
#pragma once

#include "commands.hpp"

namespace berth::cli {

void add_action_get(CLI::App& group, const OptionsPtr& options);

}  // namespace berth::cli
