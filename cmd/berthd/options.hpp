// SPDX-License-Identifier: Apache-2.0
// The command line of berthd, and where things are when nobody says.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/config.hpp"

namespace berth::daemon {

struct Options {
  config::Sources sources;
  bool check = false;      // --check
  bool reference = false;  // --reference
};

// Parses. nullopt: help or version was printed, or the error was; then `exit_code` is set.
std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

// data_dir, or the default for this user.
std::filesystem::path data_directory(const config::Document& config);
// The folder of the running program.
std::filesystem::path program_directory();
// plugins.directory, or the default beside the program.
std::filesystem::path plugin_directory(const config::Document& config);
// A short private folder for sockets, one for each data directory: below /run/berth for root, else
// below $XDG_RUNTIME_DIR or /tmp.
std::filesystem::path runtime_directory(const std::filesystem::path& data_directory);

}  // namespace berth::daemon
