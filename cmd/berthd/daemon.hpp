// SPDX-License-Identifier: Apache-2.0
// berthd from start to stop: opens store and plugins, wires the parts, serves, and takes everything
// down in order.
//
// The calling thread is the loader thread of the plugins and waits for signals; one worker owns the
// HTTP servers, the Invoker and the pool.
#pragma once

#include "base/config.hpp"
#include "base/result.hpp"

namespace berth::daemon {

// Runs until SIGTERM or SIGINT. OK: stopped as asked. An error names what could not be started,
// where, and the mend.
Status run(const config::Document& config);

}  // namespace berth::daemon
