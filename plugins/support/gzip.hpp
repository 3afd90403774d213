// SPDX-License-Identifier: Apache-2.0
// Bytes as one member of a gzip file and back. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::support {

// `level` 1 (fast) to 9. Empty if there is no memory.
std::string gzip(std::string_view bytes, int level = 1);

// The contents of all members. False if they are damaged or longer than `max_bytes`; then `to` has
// what came before.
bool gunzip(std::string_view bytes, std::size_t max_bytes, std::string& to);

}  // namespace berth::support
