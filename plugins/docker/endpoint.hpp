// SPDX-License-Identifier: Apache-2.0
// From an engine's address in Docker's words (unix:///path, tcp://host:port) to an HTTP endpoint.
// A pure function.
#pragma once

#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"
#include "support/http/client.hpp"

namespace berth::docker {

// Sets everything of `endpoint` but its `tls`, which says whether tcp:// means TLS (`use_tls`).
// `machine` is the engine's host, empty for a unix socket. INVALID_ARGUMENT says what is expected.
sdk::Status parse_endpoint(std::string_view host, bool use_tls, support::http::Endpoint& endpoint,
                           std::string& machine);

}  // namespace berth::docker
