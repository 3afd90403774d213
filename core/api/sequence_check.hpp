// SPDX-License-Identifier: Apache-2.0
// Whether a sequence may be stored: its components are there and its caller's to read, it is not
// too long with all that is in it, and is not in itself. Private to core/api; belongs to the Api's
// thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/service.hpp"

namespace berth::api {

// Puts the caller's namespace for "_" in names of the form "/ns/[pkg/]name".
void resolve_components(std::vector<std::string>& components, const entity::Identity& user);

// Answers the call with what is wrong, or calls `fine`. `path` is the sequence's own.
void check_sequence(const CallPtr& call, const std::string& path,
                    const std::vector<std::string>& components, std::function<void()> fine);

}  // namespace berth::api
