// SPDX-License-Identifier: Apache-2.0
// The end of every start measurement: one request to the new action proxy, until the first byte of
// its reply.
#pragma once

#include <string>

namespace berth::bench {

// Connects to "unix:/path" or "tcp://host:port", sends a small POST and waits for the first byte.
// Throws std::runtime_error if the peer refuses, closes, or is silent for 60 s.
void wait_for_first_byte(const std::string& address);

}  // namespace berth::bench
