// SPDX-License-Identifier: Apache-2.0
// The floor of a start: fork and exec of the native action proxy with its listening socket, no
// sandbox.
#pragma once

#include <filesystem>

namespace berth::bench {

// Microseconds from before the fork to the first byte of the first HTTP reply. `work` is a
// directory for the socket. Throws std::runtime_error.
double bare_start_us(const std::filesystem::path& program, const std::filesystem::path& work);

}  // namespace berth::bench
