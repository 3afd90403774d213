// SPDX-License-Identifier: Apache-2.0
// What browsers want to read before they show an answer to a page of another origin. Thread-safe.
#pragma once

#include "api/router.hpp"
#include "http/message.hpp"

namespace berth::api {

// Adds the headers of cross-origin requests that answers of this route carry; a header that a web
// action's answer has already stays as it is.
void add_cors(Route route, const http::Request& request, http::Response& response);

}  // namespace berth::api
