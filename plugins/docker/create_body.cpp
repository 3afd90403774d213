// SPDX-License-Identifier: Apache-2.0
#include "docker/create_body.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <random>

#include "docker/run_words.hpp"

namespace berth::docker {
namespace {

namespace json = boost::json;

constexpr std::int64_t kCpuPeriodUs = 100'000;

// What belongs to a network namespace or its container's /etc, and is refused by the engine for a
// container that joins another's.
constexpr std::string_view kOfTheNamespace[] = {"Dns", "DnsOptions", "DnsSearch", "ExtraHosts"};
constexpr std::string_view kNames[] = {"Hostname", "Domainname"};

constexpr std::string_view kOurLabels[] = {kOwner,  kToken, kName,      kRole,
                                           kMemory, kPort,  kLogDriver, kTransaction};

// The environment in the engine's form; of a name that comes twice the last value.
json::array environment_of(const Config& config, const sdk::CreateRequest& request,
                           const json::object& body, std::uint16_t port) {
  std::map<std::string, std::string> variables;
  if (const json::value* words = body.if_contains("Env"); words != nullptr && words->is_array()) {
    for (const json::value& word : words->get_array()) {
      const std::string text(word.as_string());
      const std::size_t equals = text.find('=');
      if (equals == std::string::npos) continue;  // of the client's environment: we have none
      variables[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }
  for (const auto& [name, value] : config.environment) variables[name] = value;
  for (const auto& [name, value] : request.environment) variables[name] = value;
  if (port != kProxyPort) variables["BERTH_PORT"] = std::to_string(port);
  json::array array;
  for (const auto& [name, value] : variables) array.push_back(json::value(name + "=" + value));
  return array;
}

json::object labels_of(const json::object& body) {
  const json::value* labels = body.if_contains("Labels");
  return labels != nullptr && labels->is_object() ? labels->get_object() : json::object();
}

}  // namespace

std::string random_hex(std::size_t digits) {
  std::random_device device;
  std::string text;
  while (text.size() < digits) text += "0123456789abcdef"[device() & 15];
  return text;
}

json::object limits_body(const sdk::ResizeRequest& limits) {
  json::object body;
  body["CpuShares"] = limits.cpu_shares == 0 ? 1024 : limits.cpu_shares;
  if (limits.cpu_quota_millis > 0) {
    body["CpuPeriod"] = kCpuPeriodUs;
    body["CpuQuota"] = std::int64_t{limits.cpu_quota_millis} * kCpuPeriodUs / 1000;
  }
  if (limits.memory_bytes > 0) {
    body["Memory"] = limits.memory_bytes;
    body["MemorySwap"] = limits.memory_bytes;  // no swap
  }
  return body;
}

support::Result<FunctionBody> function_body(const Config& config, const sdk::CreateRequest& request,
                                            const FunctionSpec& spec) {
  FunctionBody made;
  json::object& body = made.body;
  body = config.body;
  json::object host = config.host_config;
  for (const auto& [word, value] : request.log_parameters) {
    std::string_view name(word);
    while (name.starts_with('-')) name.remove_prefix(1);
    if (!is_log_word(name)) {
      return sdk::invalid_argument("the log store's container parameters: '" + std::string(name) +
                                   "' is not about logs: log-driver, log-opt, label and env are");
    }
    if (const sdk::Status s = apply_run_word(name, value, body, host); !s.ok()) {
      return s.with_context("the log store's container parameters");
    }
  }
  made.log_driver = "engine";
  if (const json::value* log = host.if_contains("LogConfig"); log != nullptr && log->is_object()) {
    if (const json::value* type = log->get_object().if_contains("Type")) {
      made.log_driver = std::string(type->as_string());
    }
  }
  body["Image"] = request.image;
  body["Env"] = environment_of(config, request, body, spec.port);
  // An engine that stops would wait 10 s for each function: proxies need not heed another signal.
  if (!body.contains("StopSignal")) body["StopSignal"] = "SIGKILL";
  body["Tty"] = false;
  body["AttachStdout"] = false;
  body["AttachStderr"] = false;
  host["NetworkMode"] = spec.network_mode;
  const sdk::ResizeRequest limits{request.memory_bytes, request.cpu_shares,
                                  request.cpu_quota_millis};
  for (const auto& [word, value] : limits_body(limits)) host[word] = value;
  if (!host.contains("PidsLimit")) {
    host["PidsLimit"] =
        request.pids_limit > 0 ? std::int64_t{request.pids_limit} : config.pids_limit;
  }
  host["RestartPolicy"] = json::object{{"Name", "no"}};
  if (spec.joined) {
    for (const std::string_view field : kOfTheNamespace) host.erase(field);
    for (const std::string_view field : kNames) body.erase(field);
  }
  if (spec.publish) {
    const std::string port = std::to_string(spec.port) + "/tcp";
    body["ExposedPorts"] = json::object{{port, json::object()}};
    host["PortBindings"] = json::object{{port, json::array{json::object{{"HostPort", ""}}}}};
  }
  json::object labels = labels_of(body);
  for (const auto& [key, value] : request.labels) labels[std::string(kLabelPrefix) + key] = value;
  labels[kOwner] = spec.owner;
  labels[kToken] = spec.token;
  labels[kName] = request.name;
  labels[kRole] = kRoleFunction;
  labels[kMemory] = std::to_string(request.memory_bytes);
  labels[kPort] = std::to_string(spec.port);
  labels[kLogDriver] = made.log_driver;
  labels[kTransaction] = request.transaction_id;
  body["Labels"] = std::move(labels);
  body["HostConfig"] = std::move(host);
  return made;
}

json::object pause_body(const Config& config, const std::string& owner, const std::string& image,
                        const std::string& token) {
  json::object body;
  json::object host;
  for (const std::string_view field : kOfTheNamespace) {
    if (const json::value* value = config.host_config.if_contains(field)) host[field] = *value;
  }
  for (const std::string_view field : kNames) {
    if (const json::value* value = config.body.if_contains(field)) body[field] = *value;
  }
  for (const std::string_view field : {"CgroupParent", "Runtime"}) {
    if (const json::value* value = config.host_config.if_contains(field)) host[field] = *value;
  }
  host["NetworkMode"] = config.pool_network;
  host["CapDrop"] = json::array{"ALL"};
  host["SecurityOpt"] = json::array{"no-new-privileges"};
  host["ReadonlyRootfs"] = true;
  host["PidsLimit"] = 16;
  host["LogConfig"] = json::object{{"Type", "none"}};
  host["RestartPolicy"] = json::object{{"Name", "no"}};
  body["Image"] = image;
  if (config.pause_image.empty()) body["Entrypoint"] = json::array{"/pause"};
  body["Labels"] = json::object{{kOwner, owner}, {kToken, token}, {kRole, kRolePause}};
  body["HostConfig"] = std::move(host);
  return body;
}

sdk::Pairs core_labels(const json::object& labels) {
  sdk::Pairs pairs;
  for (const auto& [key, value] : labels) {
    const std::string_view name(key);
    if (!name.starts_with(kLabelPrefix) || !value.is_string()) continue;
    bool ours = false;
    for (const std::string_view label : kOurLabels) ours = ours || label == name;
    if (ours) continue;
    pairs.emplace_back(name.substr(kLabelPrefix.size()), std::string(value.get_string()));
  }
  return pairs;
}

}  // namespace berth::docker
