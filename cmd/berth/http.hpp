// SPDX-License-Identifier: Apache-2.0
// One HTTP request at a time, blocking: over TCP, TLS or a unix socket. Not thread-safe.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace berth::cli {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::string unix_socket;    // connect here instead of to the URL's host; empty: no
  std::string authorization;  // "uuid:secret" for Basic authentication; empty: none
  std::string body;           // JSON
  bool insecure = false;      // do not check the certificate
  std::chrono::seconds timeout{120};
};

struct HttpReply {
  int status = 0;
  std::string body;
  std::string activation_id;  // of x-openwhisk-activation-id
};

// UNAVAILABLE if nobody answers, else INTERNAL; the message is for people. Never shows the secret.
Result<HttpReply> exchange(const HttpRequest& request);

// The text as one segment of a path.
std::string encode_segment(const std::string& text);

}  // namespace berth::cli
