// SPDX-License-Identifier: Apache-2.0
// Names of what berthd has, for completion: asked within a second or two, in silence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "completion.hpp"

namespace berth::cli {

// An AskNames. Names begin as `begin` does, or may be any.
std::vector<Candidate> server_names(const GlobalOptions& options, std::string_view kind,
                                    const std::string& begin);

}  // namespace berth::cli
