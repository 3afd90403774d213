// SPDX-License-Identifier: Apache-2.0
// Runs programs without a shell and keeps what they print. For tests.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace berth::plugin::test {

struct Ran {
  int exit_code = -1;  // 127: could not be started; 128+N: ended by signal N
  std::string output;  // both streams
};

// `environment` is added to ours.
Ran run(const std::vector<std::string>& argv,
        const std::vector<std::pair<std::string, std::string>>& environment = {});

// Where in $PATH, or empty. Absolute names are only looked at.
std::string find_program(const std::string& name);

}  // namespace berth::plugin::test
