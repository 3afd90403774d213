// SPDX-License-Identifier: Apache-2.0
// The end of every start measurement: one request to the new action proxy, until the first byte of
// its reply.
#pragma once

#include <string>

namespace berth::bench {

// Connects to "unix:/path" or "tcp://host:port", sends a small POST and waits for the first byte.
// Throws std::runtime_error if the peer refuses, closes, or is silent for 60 s.
void wait_for_first_byte(const std::string& address);

// Sends a JSON body to `path` there and waits until the peer has answered with 200 in full, or
// throws.
void post(const std::string& address, const std::string& path, const std::string& body);

}  // namespace berth::bench
