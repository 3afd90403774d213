// SPDX-License-Identifier: Apache-2.0
// Launcher: starts berth-sandboxer and waits, without blocking, until it says that it serves or why
// it will not. Belongs to the loop's thread.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "berth/sdk/status.hpp"

namespace berth::process {

struct LaunchOptions {
  std::string program;
  std::string data_directory;
  std::string runtime_directory;
  std::string instance;
};

// Calls `done` once on the loop's thread; FAILED_PRECONDITION with what the program said if it
// failed. Destroying the context before that drops `done`.
void launch_sandboxer(boost::asio::io_context& context, const LaunchOptions& options,
                      std::function<void(sdk::Status)> done);

}  // namespace berth::process
