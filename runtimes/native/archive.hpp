// SPDX-License-Identifier: Apache-2.0
// Bounded extraction of an action's zip archive (stored and deflated entries).
//
// The archive comes from whoever created the action, so nothing in it is believed: every name must
// stay below the directory, every size is checked while inflating, symbolic links may only point
// downwards and are made last, so that no file is ever written through one.
#pragma once

#include <string>
#include <string_view>

namespace berth::native {

constexpr size_t kMaxArchiveDirectories = 16384;
constexpr unsigned long long kMaxArchiveBytes = 512ULL * 1024 * 1024;

bool is_zip(std::string_view data);

// Writes the archive's files below an existing, empty directory. On failure returns false, fills
// `error` and leaves what was written.
bool extract_zip(std::string_view data, const std::string& directory, std::string& error);

}  // namespace berth::native
