// SPDX-License-Identifier: Apache-2.0
// Writes the head of a response. Thread-safe: pure functions.
#pragma once

#include <string>

#include "http/message.hpp"

namespace berth::http {

struct ResponseFraming {
  bool http_1_0 = false;  // of the request
  bool keep_alive = true;
  bool head_request = false;
};

// Whether the body goes out after the head.
bool sends_body(const Response& response, const ResponseFraming& framing);

// Appends status line, fields and the empty line. A status that is no final one becomes 500. Fields
// with a malformed name or value (a line end in it would forge a second response) and those that
// frame the message are left out.
void append_head(std::string& out, const Response& response, const ResponseFraming& framing);

}  // namespace berth::http
