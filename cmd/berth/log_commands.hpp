// SPDX-License-Identifier: Apache-2.0
// berth activation logs -f, poll and grep: logs as they come and logs searched. They use nothing
// but the REST API and so work with every LogStore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "environment.hpp"

namespace CLI {
class App;
}

namespace berth::cli {

// "TIME stdout: text" -> "text".
std::string_view stripped(std::string_view line);

// Prints the lines of an activation until it has ended. One that is not known yet is waited for.
// With a store that cannot follow, its lines are printed once it has ended.
void follow_logs(const GlobalOptions& options, const std::string& id, bool strip);

// A point in time as people give it: ms since the epoch, "2026-01-02T03:04:05Z", or "15m", "2h",
// "7d", "30s" ago. Throws Exit(kUsage).
std::int64_t parse_when(const std::string& text, std::int64_t now_ms);

// Adds `poll` and `grep`.
void add_log_commands(CLI::App& group, const std::shared_ptr<GlobalOptions>& options);

}  // namespace berth::cli
