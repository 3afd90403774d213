// SPDX-License-Identifier: Apache-2.0
// The header of HTTP's basic authentication (RFC 7617). Its text is a secret: never log it.
// Thread-safe.
#pragma once

#include <string>

#include "support/base64.hpp"

namespace berth::support::http {

// "Authorization: Basic ...". `user` has no colon.
inline std::string basic_auth(const std::string& user, const std::string& password) {
  return "Authorization: Basic " + base64_encode(user + ":" + password);
}

}  // namespace berth::support::http
