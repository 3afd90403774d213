// SPDX-License-Identifier: Apache-2.0
// The system call filter of every sandbox, compiled once to a BPF program and installed by each
// child before it runs a foreign instruction. It is a list of what is allowed; what it does not
// know is answered ENOSYS (programs then use their fallback), what is known to be dangerous EPERM.
// docs/plugins/process.md lists it with the reasons.
#pragma once

#include <linux/filter.h>
#include <vector>

#include "berth/sdk/status.hpp"

namespace berth::process {

sdk::Status compile_seccomp_filter(std::vector<sock_filter>& program);

}  // namespace berth::process
