// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.docker] table. A plain value once parsed; const access from several
// threads is fine. docs/plugins/docker.md explains the keys.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "docker/credentials.hpp"
#include "support/http/client.hpp"

namespace berth::docker {

enum class PauseBy { kAuto, kCgroup, kEngine };

struct Config {
  std::string host;                  // as given, for messages
  support::http::Endpoint endpoint;  // where the engine is
  std::string engine_host;           // the name of its machine; empty: this one

  std::string network = "bridge";
  std::string pool_network = "bridge";  // what pooled namespaces are attached to
  std::uint32_t pool_size = 4;          // namespaces kept ready
  std::string pause_image;              // empty: the one inside the plugin
  bool published = false;               // reach functions by published ports

  // What every container gets, in the engine's words: members of HostConfig and of the body.
  boost::json::object host_config;
  boost::json::object body;
  std::vector<std::pair<std::string, std::string>> environment;
  std::string log_driver = "json-file";  // "engine": the engine's own default
  std::int64_t pids_limit = 1024;        // where the core names none

  Credentials credentials;
  std::chrono::milliseconds pull_again_after{300'000};
  std::uint32_t parallel_creates = 10;  // 0: no limit
  std::uint32_t parallel_pulls = 3;

  std::chrono::milliseconds create_timeout{60'000};
  std::chrono::milliseconds start_timeout{60'000};
  std::chrono::milliseconds pull_timeout{600'000};
  std::chrono::milliseconds call_timeout{30'000};
  std::chrono::milliseconds engine_wait{10'000};  // of a create, for an engine that is gone
  PauseBy pause_by = PauseBy::kAuto;

  // Reads the table over the defaults and the environment (DOCKER_HOST, DOCKER_TLS_VERIFY,
  // DOCKER_CERT_PATH, DOCKER_CONFIG, HOME). INVALID_ARGUMENT names the key.
  static sdk::Status parse(std::string_view json, Config& config);
};

}  // namespace berth::docker

// The JSON Schema of the table, a literal so that it can stand in the plugin's note.
#define BERTH_DOCKER_DURATION(name, text) \
  R"(")" name R"(":{"type":["integer","string"],"description":")" text R"("},)"
#define BERTH_DOCKER_STRINGS(name, text) \
  R"(")" name R"(":{"type":"array","items":{"type":"string"},"description":")" text R"("},)"
// Values may be secrets: a splunk-token, a password.
#define BERTH_DOCKER_SECRETS(name, text)                                                         \
  R"(")" name R"(":{"type":"object","additionalProperties":{"type":"string","writeOnly":true},)" \
  R"("description":")" text R"("},)"
#define BERTH_DOCKER_SECRET_WORDS \
  R"({"writeOnly":true,"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]})"
#define BERTH_DOCKER_SCHEMA \
  R"({"type":"object","additionalProperties":false,"properties":{)"                                \
  R"("host":{"type":"string","pattern":"^(unix|tcp|http|https)://",)"                              \
  R"("description":"Where the engine listens; else $DOCKER_HOST, unix:///var/run/docker.sock"},)"  \
  R"("network":{"type":"string","minLength":1,)"                                                   \
  R"("description":"bridge, host, none, pooled, or a network's name"},)"                           \
  R"("pool_network":{"type":"string","minLength":1,"description":"Network of pooled namespaces"},)" \
  R"("pool_size":{"type":"integer","minimum":0,"maximum":10000},)"                                 \
  R"("pause_image":{"type":"string","description":"Image that holds a pooled namespace"},)"        \
  R"("reach":{"enum":["container","published"],"description":"How berthd reaches a function"},)"   \
  BERTH_DOCKER_STRINGS("dns", "Name servers")                                                      \
  BERTH_DOCKER_STRINGS("dns_search", "Search domains")                                             \
  BERTH_DOCKER_STRINGS("dns_options", "resolv.conf options")                                       \
  BERTH_DOCKER_STRINGS("cap_drop", "Capabilities taken away")                                      \
  BERTH_DOCKER_STRINGS("ulimits", "name=soft:hard")                                                \
  R"("pids_limit":{"type":"integer","minimum":1,"maximum":4194304},)"                              \
  R"("read_only_root":{"type":"boolean","description":"Root read-only, /tmp a tmpfs"},)"           \
  BERTH_DOCKER_SECRETS("environment", "Variables of every container")                              \
  R"("log_driver":{"type":"string","minLength":1},)"                                               \
  BERTH_DOCKER_SECRETS("log_options", "Options of the log driver")                                 \
  R"("extra_args":{"type":"object","properties":{"env":)" BERTH_DOCKER_SECRET_WORDS                \
  R"(,"log-opt":)" BERTH_DOCKER_SECRET_WORDS                                                       \
  R"(},"additionalProperties":{"anyOf":[{"type":"string"},)"                                       \
  R"({"type":"boolean"},{"type":"integer"},{"type":"array","items":{"type":"string"}}]},)"         \
  R"("description":"Further words of docker run, without their dashes"},)"                         \
  R"("registry_auth":{"type":"object","additionalProperties":{"type":"object",)"                   \
  R"("additionalProperties":false,"properties":{"username":{"type":"string"},)"                    \
  R"("password":{"type":"string","writeOnly":true},)"                                              \
  R"("identity_token":{"type":"string","writeOnly":true}}},"description":"Registry to login"},)"   \
  R"("docker_config":{"type":"string","description":"Path of a Docker config.json"},)"             \
  BERTH_DOCKER_DURATION("pull_again_after", "An image pulled so lately is not pulled again")       \
  R"("parallel_creates":{"type":"integer","minimum":0,"maximum":10000},)"                          \
  R"("parallel_pulls":{"type":"integer","minimum":1,"maximum":1000},)"                             \
  BERTH_DOCKER_DURATION("create_timeout", "Of the engine's create, and of its start")              \
  BERTH_DOCKER_DURATION("start_timeout", "From the engine's start until the function listens")     \
  BERTH_DOCKER_DURATION("pull_timeout", "Of a pull")                                               \
  BERTH_DOCKER_DURATION("call_timeout", "Of every other call of the engine")                       \
  BERTH_DOCKER_DURATION("engine_wait", "A create waits so long for an engine that is gone") \
  R"("tls":{"type":"object","additionalProperties":false,"properties":{)"                          \
  R"("ca":{"type":"string"},"cert":{"type":"string"},"key":{"type":"string"},)"                    \
  R"("server_name":{"type":"string"},"verify":{"type":"boolean"}}},)"                              \
  R"("pause_by":{"enum":["auto","cgroup","engine"],"description":"Who freezes a container"}}})"
