// SPDX-License-Identifier: Apache-2.0
#include "docker/config.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>

#include "docker/endpoint.hpp"
#include "docker/run_words.hpp"
#include "support/table_reader.hpp"

namespace berth::docker {
namespace {

namespace json = boost::json;
using Reader = support::TableReader;

constexpr std::string_view kDefaultHost = "unix:///var/run/docker.sock";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

void read_engine(Reader& reader, Config& config) {
  const std::string from_environment = environment("DOCKER_HOST");
  config.host = from_environment.empty() ? std::string(kDefaultHost) : from_environment;
  reader.text("host", config.host);
  support::http::Tls& tls = config.endpoint.tls;
  bool use_tls = false;
  if (!environment("DOCKER_TLS_VERIFY").empty()) {
    use_tls = true;
    std::string folder = environment("DOCKER_CERT_PATH");
    if (folder.empty()) folder = environment("HOME") + "/.docker";
    tls.ca_file = folder + "/ca.pem";
    tls.certificate_file = folder + "/cert.pem";
    tls.key_file = folder + "/key.pem";
  }
  if (const json::value* v = reader.find("tls")) {
    if (!v->is_object()) return reader.refuse("tls", "must be a table");
    use_tls = true;
    Reader inner(v->get_object(), "tls");
    inner.text("ca", tls.ca_file);
    inner.text("cert", tls.certificate_file);
    inner.text("key", tls.key_file);
    inner.text("server_name", tls.server_name);
    inner.flag("verify", tls.verify_peer);
    if (!inner.status().ok()) return reader.refuse("tls", inner.status().message());
  }
  const auto s = parse_endpoint(config.host, use_tls, config.endpoint, config.engine_host);
  if (!s.ok()) reader.refuse("host", s.message());
}

void read_containers(Reader& reader, Config& config) {
  json::object& body = config.body;
  json::object& host = config.host_config;
  const auto word = [&](std::string_view name) {
    return [&body, &host, name](std::string_view value) {
      return apply_run_word(name, value, body, host);
    };
  };
  reader.strings("dns", word("dns"));
  reader.strings("dns_search", word("dns-search"));
  reader.strings("dns_options", word("dns-option"));
  if (reader.find("cap_drop") == nullptr) {
    host["CapDrop"] = json::array{"NET_RAW", "NET_ADMIN"};
  }
  reader.strings("cap_drop", word("cap-drop"));
  if (reader.find("ulimits") == nullptr) {
    (void)apply_run_word("ulimit", "nofile=1024:1024", body, host);
  }
  reader.strings("ulimits", word("ulimit"));
  reader.number("pids_limit", 1, 4194304, config.pids_limit);
  host["SecurityOpt"] = json::array{"no-new-privileges"};
  bool read_only = false;
  reader.flag("read_only_root", read_only);
  if (read_only) {
    host["ReadonlyRootfs"] = true;
    host["Tmpfs"] = json::object{{"/tmp", "rw,nosuid,nodev,exec,mode=1777"}};
  }
  reader.pairs("environment", [&](std::string name, std::string value) {
    config.environment.emplace_back(std::move(name), std::move(value));
    return sdk::Status();
  });
  reader.text("log_driver", config.log_driver);
  if (config.log_driver != "engine") {
    (void)apply_run_word("log-driver", config.log_driver, body, host);
  }
  reader.pairs("log_options", [&](const std::string& name, const std::string& value) {
    return apply_run_word("log-opt", name + "=" + value, body, host);
  });
}

void read_extra_args(Reader& reader, Config& config) {
  const json::value* v = reader.find("extra_args");
  if (v == nullptr) return;
  if (!v->is_object()) return reader.refuse("extra_args", "must be a table");
  for (const auto& [name, value] : v->get_object()) {
    std::vector<std::string> values;
    if (value.is_string()) {
      values.emplace_back(value.get_string());
    } else if (value.is_bool()) {
      values.emplace_back(value.get_bool() ? "true" : "false");
    } else if (value.is_int64()) {
      values.push_back(std::to_string(value.get_int64()));
    } else if (value.is_array()) {
      for (const json::value& one : value.get_array()) {
        if (!one.is_string())
          return reader.refuse("extra_args", "has an array of other than texts");
        values.emplace_back(one.get_string());
      }
    } else {
      return reader.refuse("extra_args", "must hold strings and arrays of strings");
    }
    std::string_view word(name);
    while (word.starts_with('-')) word.remove_prefix(1);
    for (const std::string& one : values) {
      const auto s = apply_run_word(word, one, config.body, config.host_config);
      if (!s.ok()) return reader.refuse("extra_args", s.message());
    }
  }
  // What no word may undo.
  for (const json::value& option : config.host_config["SecurityOpt"].as_array()) {
    if (!keeps_no_new_privileges(option.as_string())) {
      reader.refuse("extra_args", "must leave no-new-privileges on");
    }
  }
  if (const json::value* log = config.host_config.if_contains("LogConfig")) {
    if (const json::value* type = log->as_object().if_contains("Type")) {
      config.log_driver = std::string(type->as_string());
    }
  }
}

void read_credentials(Reader& reader, Config& config) {
  if (const json::value* v = reader.find("registry_auth")) {
    if (!v->is_object()) return reader.refuse("registry_auth", "must be a table");
    for (const auto& [registry, entry] : v->get_object()) {
      if (!entry.is_object()) return reader.refuse("registry_auth", "must be a table of tables");
      Login login;
      Reader inner(entry.get_object(), std::string(registry));
      inner.text("username", login.username);
      inner.text("password", login.password);
      inner.text("identity_token", login.identity_token);
      if (!inner.status().ok()) return reader.refuse("registry_auth", inner.status().message());
      config.credentials.add(registry, std::move(login));
    }
  }
  std::string path = environment("DOCKER_CONFIG");
  if (path.empty() && !environment("HOME").empty()) path = environment("HOME") + "/.docker";
  if (!path.empty()) path += "/config.json";
  const bool wanted = reader.find("docker_config") != nullptr;
  reader.text("docker_config", path);
  if (path.empty()) return;
  std::ifstream file(path);
  if (!file) {
    if (wanted) reader.refuse("docker_config", "cannot read " + path);
    return;
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  bool helpers = false;
  const auto s = config.credentials.add_docker_config(text, helpers);
  // A file that nobody named is not worth a refusal.
  if (!s.ok() && wanted) reader.refuse("docker_config", path + ": " + s.message());
}

}  // namespace

sdk::Status Config::parse(std::string_view text, Config& config) {
  boost::system::error_code error;
  const json::value value = json::parse(text.empty() ? "{}" : text, error);
  if (error || !value.is_object()) return sdk::invalid_argument("plugin.docker must be a table");
  Reader reader(value.get_object(), "plugin.docker");
  read_engine(reader, config);
  reader.text("network", config.network);
  reader.text("pool_network", config.pool_network);
  for (const std::string_view word : {"host", "none", "pooled"}) {
    if (config.pool_network == word) {
      reader.refuse("pool_network", "must be bridge or a user network");
    }
  }
  reader.number("pool_size", 0, 10000, config.pool_size);
  reader.text("pause_image", config.pause_image);
  std::string reach = "container";
  reader.text("reach", reach);
  config.published = reach == "published";
  if (config.published && (config.network == "host" || config.network == "none")) {
    reader.refuse("reach", "a function on the network " + config.network + " publishes no port");
  }
  if (config.published && config.network == "pooled") {
    reader.refuse("reach", "a function in a pooled network publishes no port");
  }
  read_containers(reader, config);
  read_extra_args(reader, config);
  read_credentials(reader, config);
  reader.time("pull_again_after", std::chrono::milliseconds(0), config.pull_again_after);
  reader.number("parallel_creates", 0, 10000, config.parallel_creates);
  reader.number("parallel_pulls", 1, 1000, config.parallel_pulls);
  const auto least = std::chrono::milliseconds(1);
  reader.time("create_timeout", least, config.create_timeout);
  reader.time("start_timeout", least, config.start_timeout);
  reader.time("pull_timeout", least, config.pull_timeout);
  reader.time("call_timeout", least, config.call_timeout);
  reader.time("engine_wait", std::chrono::milliseconds(0), config.engine_wait);
  std::string pause_by = "auto";
  reader.text("pause_by", pause_by);
  config.pause_by = pause_by == "cgroup"   ? PauseBy::kCgroup
                    : pause_by == "engine" ? PauseBy::kEngine
                                           : PauseBy::kAuto;
  config.endpoint.max_connections = 0;
  return reader.status();
}

}  // namespace berth::docker
