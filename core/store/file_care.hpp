// SPDX-License-Identifier: Apache-2.0
// What an operator has done to a store's file while it is in use: a copy of it, and a search for
// damage. Both read one consistent state and hold no writer up; both block, for as long as the file
// is big. Private to core/store; stateless.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace berth::store {

// Writes the state of `from` into the new file `to` (0600), whole and on disk when it returns, or
// not there at all. `to` must be absolute and must not exist. The result is its size in bytes.
Result<std::uint64_t> back_up(const std::filesystem::path& from, const std::filesystem::path& to);

// What is wrong with the file, in words; empty: nothing. An error if it is no store or cannot be
// read.
Result<std::vector<std::string>> find_damage(const std::filesystem::path& path);

}  // namespace berth::store
