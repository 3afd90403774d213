// SPDX-License-Identifier: Apache-2.0
// A client for tests: one request a connection, blocking, with nothing of the code under test in
// it.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace berth::api {

struct Reply {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;

  std::string header(const std::string& name) const;
  boost::json::value json() const;  // null if the body is none
  std::string error() const;        // the member `error`, or ""
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// Sends the request and reads until the server closes. Status 0: no response came.
Reply ask(std::uint16_t port, const std::string& method, const std::string& target,
          const Headers& headers, const std::string& body);

// Sends the request and hangs up without waiting for an answer.
void send_and_hang_up(std::uint16_t port, const std::string& method, const std::string& target,
                      const Headers& headers);

// "Basic base64(key)".
std::string basic(const std::string& key);

}  // namespace berth::api
