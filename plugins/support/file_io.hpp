// SPDX-License-Identifier: Apache-2.0
// Whole reads and writes, and errno as a Status with its mend. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::support {

// What an operator can do, for the end of a message.
struct IoMends {
  std::string_view room;        // for a lack of it
  std::string_view permission;  // for what this user may not do
};

// RESOURCE_EXHAUSTED with RETRYABLE for a lack of room, PERMISSION_DENIED, or FAILED_PRECONDITION.
sdk::Status io_error(std::string_view what, const std::filesystem::path& path, int error,
                     const IoMends& mends);

// Writes all bytes. 0, or errno; then some may be written.
int write_all(int fd, std::string_view bytes);

// Reads exactly `bytes`; false at the file's end or after an error.
bool read_all(int fd, void* to, std::size_t bytes, std::uint64_t offset);

}  // namespace berth::support
