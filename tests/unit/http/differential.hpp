// SPDX-License-Identifier: Apache-2.0
// Compares our parser with Boost.Beast's on the same bytes. Only the .cpp includes Beast, which
// takes half a minute to compile.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/parser.hpp"

namespace berth::http::testing {

// Parses `bytes` with ours, once at once and once split at `split`, and with Beast's. nullopt if
// ours does the same both ways and, where it accepts, Beast accepts too and reads the same: start
// line, fields, body, keep-alive and where the message ends. Else what differs.
std::optional<std::string> compare_with_beast(Parser::Kind kind, std::string_view bytes,
                                              std::size_t split);

}  // namespace berth::http::testing
