// SPDX-License-Identifier: Apache-2.0
// Certificates for a test: an authority, a server's certificate for a name, and a client's.
#pragma once

#include <string>

namespace berth::testing {

struct TestPki {
  // Writes ca.pem, server.pem, server.key, client.pem, client.key below `directory`. The server's
  // certificate is for the DNS name `server_name` only and ends so many seconds from now.
  TestPki(const std::string& directory, const std::string& server_name,
          long server_valid_s = 24 * 3600);
  std::string ca, server_certificate, server_key, client_certificate, client_key;
};

}  // namespace berth::testing
