// SPDX-License-Identifier: Apache-2.0
// Small files, private by default. Thread-safe; errors name the path, the reason and, where there
// is one, the mend.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace berth {

// The whole file; FAILED_PRECONDITION if it is longer than `max_bytes`.
Result<std::string> read_file(const std::filesystem::path& path,
                              std::size_t max_bytes = 16 * 1024 * 1024);

// Replaces the file so that after a crash there is either the old or the new one, of mode 0600.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Makes the directory and its parents; the last one has mode 0700 and is the caller's own.
Status make_private_directory(const std::filesystem::path& path);

// Text of errno values, e.g. "No space left on device".
std::string errno_text(int error);

}  // namespace berth
