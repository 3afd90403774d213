// SPDX-License-Identifier: Apache-2.0
// Regular expressions in a plugin's config_schema. Stateless; thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace berth::plugin {

// Why a pattern cannot be used; empty if it can.
std::string pattern_problem(std::string_view pattern);

}  // namespace berth::plugin
