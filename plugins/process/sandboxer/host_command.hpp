// SPDX-License-Identifier: Apache-2.0
// Runs a program of the host's, as the sandboxer itself lives in the sandboxes' root. For what is
// done once, at start and at the end: it blocks until the program has ended.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "rootfs.hpp"

namespace berth::process {

inline constexpr int kHostProgramMs = 30'000;

// Reads from `fd`, at most `most` bytes of which are kept, until all writers have closed it. False
// if that takes longer than `ms`.
bool read_all(int fd, int ms, size_t most, std::string& output);

// The first of the usual directories of system programs that has `name`, as the host sees it;
// empty if none has.
std::string find_host_program(const HostView& host, const std::string& name);

// Gives the program `input` and collects its output. FAILED_PRECONDITION with what it said if it
// does not end well; it is killed if it takes more than kHostProgramMs.
sdk::Status run_host_program(const HostView& host, const std::vector<std::string>& argv,
                             std::string_view input, std::string& output);

}  // namespace berth::process
