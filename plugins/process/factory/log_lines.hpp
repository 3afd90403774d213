// SPDX-License-Identifier: Apache-2.0
// From the sandboxer's chunks (any bytes, as a pipe gave them) to the boundary's records (lines),
// and from cursors to their text and back. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "berth/sdk/container_factory.hpp"
#include "protocol/protocol.hpp"

namespace berth::process {

// Adds a chunk's lines; the last one is PARTIAL_LINE if the chunk does not end it.
void add_lines(const LogChunk& chunk, sdk::LogBatch& batch);

std::string cursor_text(const LogCursor& cursor);
// Empty text is the oldest. False if it is no cursor of ours.
bool parse_cursor(std::string_view text, LogCursor& cursor);

}  // namespace berth::process
