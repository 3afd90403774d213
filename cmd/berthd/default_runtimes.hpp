// SPDX-License-Identifier: Apache-2.0
// The runtimes manifest of a machine on which nobody wrote one: the kinds whose interpreters it
// has.
#pragma once

#include <string>

namespace berth::daemon {

struct Interpreters {
  std::string python = "/usr/bin/python3";
  std::string nodejs = "/usr/bin/node";
};

// A runtimes.json. Asks each interpreter for its version (the kind is "python:3.11", "nodejs:20");
// one that is missing or does not answer within 5 s gives no kind. `native` is always there. With
// `prewarm` one container of each interpreted kind is started ahead.
std::string default_runtimes(const Interpreters& interpreters, bool prewarm);

}  // namespace berth::daemon
