// SPDX-License-Identifier: Apache-2.0
// The part of `berth namespace` about keys, blocked namespaces and usage.
#pragma once

#include "commands.hpp"

namespace berth::cli {

// Adds key, block, unblock and usage.
void add_key_commands(CLI::App& group, const OptionsPtr& options);

}  // namespace berth::cli
