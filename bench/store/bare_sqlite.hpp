// SPDX-License-Identifier: Apache-2.0
// The floor of the work queue: SQLite's own interface in a loop, with the same pragmas, table, rows
// and sizes of transactions, and nothing else.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace berth::bench {

// Seconds to insert `rows` rows in `commits` transactions into a new file. Throws
// std::runtime_error.
double insert_bare(const std::filesystem::path& file, std::size_t rows, std::size_t commits,
                   const std::string& arguments);

}  // namespace berth::bench
