// SPDX-License-Identifier: Apache-2.0
// The floor of a start: exec of an action proxy with its listening socket, no sandbox.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace berth::bench {

// How the process is made.
enum class Spawn { kFork, kVfork };

// Microseconds from before the fork to the first byte of the first HTTP reply. `work` is a
// directory for the socket. The program finds the socket at descriptor 3 (BERTH_LISTEN_FD). It is
// killed and waited for afterwards. Throws std::runtime_error.
double bare_start_us(const std::vector<std::string>& command, const std::filesystem::path& work,
                     Spawn spawn = Spawn::kFork);

// Starts a second of `command` from `threads` threads at once, `each` starts a thread.
double bare_starts_per_second(const std::vector<std::string>& command,
                              const std::filesystem::path& work, int threads, int each);

}  // namespace berth::bench
