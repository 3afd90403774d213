// SPDX-License-Identifier: Apache-2.0
#include "docker/credentials.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "support/base64.hpp"

namespace berth::docker {
namespace {

namespace json = boost::json;

constexpr std::string_view kHub = "docker.io";

// "https://index.docker.io/v1/" and "registry:5000/" as the names of registries.
std::string registry_of(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  }
  key = key.substr(0, key.find('/'));
  if (key == "index.docker.io" || key == "registry-1.docker.io") return std::string(kHub);
  return std::string(key);
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

void Credentials::add(std::string_view registry, Login login) {
  logins_.insert_or_assign(registry_of(registry), std::move(login));
}

sdk::Status Credentials::add_docker_config(std::string_view text, bool& helpers) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return sdk::invalid_argument("it is no JSON object");
  const json::object& config = value.get_object();
  helpers = config.contains("credsStore") || config.contains("credHelpers");
  const json::value* auths = config.if_contains("auths");
  if (auths == nullptr || !auths->is_object()) return {};
  for (const auto& [key, entry] : auths->get_object()) {
    const std::string registry = registry_of(std::string_view(key));
    if (!entry.is_object() || knows(registry)) continue;
    Login login;
    login.identity_token = text_of(entry.get_object(), "identitytoken");
    login.username = text_of(entry.get_object(), "username");
    login.password = text_of(entry.get_object(), "password");
    if (const std::string auth = text_of(entry.get_object(), "auth"); !auth.empty()) {
      const auto pair = support::base64_decode(auth);
      const std::size_t colon = pair ? pair->find(':') : std::string::npos;
      if (colon == std::string::npos) {
        return sdk::invalid_argument("the auth of '" + registry +
                                     "' is no base64 of user:password");
      }
      login.username = pair->substr(0, colon);
      login.password = pair->substr(colon + 1);
    }
    if (login.username.empty() && login.identity_token.empty()) continue;
    logins_.emplace(registry, std::move(login));
  }
  return {};
}

bool Credentials::knows(std::string_view registry) const {
  return logins_.find(registry) != logins_.end();
}

std::string Credentials::header(std::string_view registry) const {
  const auto it = logins_.find(registry);
  if (it == logins_.end()) return "";
  json::object auth;
  const Login& login = it->second;
  if (!login.identity_token.empty()) {
    auth["identitytoken"] = login.identity_token;
  } else {
    auth["username"] = login.username;
    auth["password"] = login.password;
  }
  auth["serveraddress"] =
      registry == kHub ? std::string("https://index.docker.io/v1/") : std::string(registry);
  return support::base64_encode(json::serialize(auth), support::Base64::kUrl);
}

}  // namespace berth::docker
