// SPDX-License-Identifier: Apache-2.0
// A load generator: the same request again and again over kept connections, one outstanding on
// each. Plain epoll and no allocation a request, so that what it costs is small and the same for
// every arm.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace berth::bench {

struct Arm {
  std::string name;
  std::string address;  // "tcp://127.0.0.1:port" or "unix:/path"
  // As sent; more than one: each connection has its own, by turns.
  std::vector<std::string> requests;
};

struct Window {
  std::vector<std::uint32_t> latencies_ns;  // of each request
  double seconds = 0;
  std::uint64_t failures = 0;  // replies other than 2xx
};

// Sends for `duration` over `connections` connections that are opened first and closed after.
// `pause` passes between a reply and the next request: for one connection only. Throws
// std::runtime_error if the address does not answer.
Window run_window(const Arm& arm, int connections, std::chrono::milliseconds duration,
                  std::chrono::milliseconds pause = {});

}  // namespace berth::bench
