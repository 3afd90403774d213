// SPDX-License-Identifier: Apache-2.0
// The header of HTTP's basic authentication. Thread-safe.
#pragma once

#include <string>

namespace berth::mesos {

// "Authorization: Basic ...".
std::string basic_auth(const std::string& principal, const std::string& secret);

}  // namespace berth::mesos
