// SPDX-License-Identifier: Apache-2.0
// Credentials: who we are to which registry, from the operator's table and Docker's config.json,
// and the X-Registry-Auth header made of it. A value. Its texts are secrets: never log them.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::docker {

struct Login {
  std::string username;
  std::string password;
  std::string identity_token;
};

class Credentials {
 public:
  // Registries as in image names: "registry.example.org:5000"; Docker Hub is "docker.io".
  void add(std::string_view registry, Login login);
  // Adds what a config.json's "auths" holds and is not known already. INVALID_ARGUMENT if it is
  // none. `helpers` is set if it relies on credential helpers, which are not run.
  sdk::Status add_docker_config(std::string_view text, bool& helpers);

  bool knows(std::string_view registry) const;
  // The value of X-Registry-Auth for a registry, or "".
  std::string header(std::string_view registry) const;

 private:
  std::map<std::string, Login, std::less<>> logins_;
};

}  // namespace berth::docker
