// SPDX-License-Identifier: Apache-2.0
// Whole reads and writes, and errno as a Status with this store's mend. Thread-safe.
#pragma once

#include <filesystem>
#include <string_view>

#include "berth/sdk/status.hpp"
#include "support/file_io.hpp"

namespace berth::file {

using support::read_all;
using support::write_all;

// As support::io_error.
sdk::Status io_error(std::string_view what, const std::filesystem::path& path, int error);

}  // namespace berth::file
