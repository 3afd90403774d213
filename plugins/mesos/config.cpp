// SPDX-License-Identifier: Apache-2.0
#include "mesos/config.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fstream>
#include <iterator>
#include <optional>
#include <unistd.h>

#include "mesos/scheduler/leader_source.hpp"
#include "mesos/tasks/task_matcher.hpp"
#include "support/table_reader.hpp"

namespace berth::mesos {
namespace {

namespace json = boost::json;

class Reader : public support::TableReader {
 public:
  using TableReader::TableReader;

  void real(std::string_view key, double& to) {
    const json::value* v = find(key);
    if (v == nullptr) return;
    if (!v->is_number()) return refuse(key, "must be a number");
    to = v->to_number<double>();
    if (to < 0) refuse(key, "must not be negative");
  }
  template <typename Duration>
  void time(std::string_view key, Duration& to) {
    milliseconds given = std::chrono::duration_cast<milliseconds>(to);
    TableReader::time(key, milliseconds(0), given);
    to = std::chrono::duration_cast<Duration>(given);
  }
  void strings(std::string_view key, std::vector<std::string>& to) {
    const json::value* v = find(key);
    if (v == nullptr) return;
    if (!texts(*v, to)) refuse(key, "must be an array of strings");
  }
  void pairs(std::string_view key, sdk::Pairs& to) {
    const json::value* v = find(key);
    if (v == nullptr) return;
    if (!v->is_object()) return refuse(key, "must be a table");
    for (const auto& [name, value] : v->get_object()) {
      std::vector<std::string> values;
      if (value.is_string()) {
        values.emplace_back(value.get_string());
      } else if (!texts(value, values)) {
        return refuse(key, "must hold strings");
      }
      for (std::string& one : values) to.emplace_back(std::string(name), std::move(one));
    }
  }
  void constraints(std::string_view key, std::shared_ptr<const std::vector<Constraint>>& to) {
    const json::value* v = find(key);
    if (v == nullptr) return;
    if (!v->is_array()) return refuse(key, "must be an array of arrays of strings");
    auto parsed = std::make_shared<std::vector<Constraint>>();
    for (const json::value& one : v->get_array()) {
      std::vector<std::string> words;
      if (!texts(one, words)) return refuse(key, "must be an array of arrays of strings");
      Constraint constraint;
      if (const sdk::Status s = Constraint::parse(words, constraint); !s.ok()) {
        return refuse(key, s.message());
      }
      parsed->push_back(std::move(constraint));
    }
    to = std::move(parsed);
  }

 private:
  static bool texts(const json::value& value, std::vector<std::string>& to) {
    if (!value.is_array()) return false;
    to.clear();
    for (const json::value& one : value.get_array()) {
      if (!one.is_string()) return false;
      to.emplace_back(one.get_string());
    }
    return true;
  }
};

void read_masters(Reader& reader, Config& config) {
  const json::value* v = reader.find("masters");
  if (v == nullptr) return reader.refuse("masters", "is needed: where the Mesos masters are");
  std::vector<std::string>& masters = config.scheduler.masters;
  if (v->is_string()) {
    masters.emplace_back(v->get_string());
  } else {
    reader.strings("masters", masters);
  }
  if (masters.empty()) return reader.refuse("masters", "must name at least one");
  for (std::string& url : masters) {
    while (!url.empty() && url.back() == '/') url.pop_back();
    if (url.starts_with("zk://")) {
      if (masters.size() > 1)
        return reader.refuse("masters", "is one zk:// URL, or a list of http://");
      if (const sdk::Status s = check_zookeeper_url(url); !s.ok()) {
        return reader.refuse("masters", s.message());
      }
    } else if (!url.starts_with("http://") && !url.starts_with("https://")) {
      reader.refuse("masters", "'" + url + "' begins with none of http://, https://, zk://");
    }
  }
}

void read_tls(Reader& reader, support::http::Tls& tls) {
  const json::value* v = reader.find("tls");
  if (v == nullptr) return;
  if (!v->is_object()) return reader.refuse("tls", "must be a table");
  Reader inner(v->get_object(), "tls");
  inner.text("ca", tls.ca_file);
  inner.text("cert", tls.certificate_file);
  inner.text("key", tls.key_file);
  inner.text("server_name", tls.server_name);
  inner.flag("verify", tls.verify_peer);
  if (!inner.status().ok()) reader.refuse("tls", inner.status().message());
}

void read_framework(Reader& reader, Config& config) {
  Settings& s = config.scheduler;
  reader.text("principal", s.principal);
  reader.text("secret", s.secret);
  reader.text("framework_name", s.framework_name);
  reader.text("user", s.user);
  reader.text("webui_url", s.webui_url);
  reader.strings("roles", s.roles);
  if (s.roles.empty()) reader.refuse("roles", "must name at least one");
  reader.time("failover_timeout", s.failover_timeout);
  reader.flag("checkpoint", s.checkpoint);
  reader.flag("teardown_on_exit", config.teardown_on_exit);
  reader.time("offer_hold", s.offer_hold);
  reader.time("offer_refuse", s.offer_refuse);
  reader.time("kill_grace", s.kill_grace);
  reader.time("kill_retry", s.kill_retry);
  reader.time("unreachable_after", s.unreachable_after);
  reader.time("reconcile_interval", s.reconcile_every);
  reader.time("drain_lead", s.drain_lead);
  reader.time("call_timeout", s.call_timeout);
  reader.time("backoff_max", s.backoff_max);
  reader.number("missed_heartbeats", 1, 100, s.missed_heartbeats);
  reader.time("launch_timeout", config.launch_timeout);
  reader.time("start_timeout", config.start_timeout);
}

void read_health_check(Reader& reader, TaskSettings& tasks) {
  const json::value* v = reader.find("health_check");
  if (v == nullptr) return;
  if (!v->is_object()) return reader.refuse("health_check", "must be a table");
  Reader inner(v->get_object(), "health_check");
  auto check = std::make_shared<v1::HealthCheck>();
  std::string type;
  std::string path = "/";
  double delay = 0, interval = 1, timeout = 1, grace = 25;
  std::uint32_t failures = 3;
  inner.text("type", type);
  inner.text("path", path);
  inner.real("delay", delay);
  inner.real("interval", interval);
  inner.real("timeout", timeout);
  inner.real("grace_period", grace);
  inner.number("max_consecutive_failures", 1, 1000, failures);
  if (type != "tcp" && type != "http") inner.refuse("type", "is tcp or http");
  if (!inner.status().ok()) return reader.refuse("health_check", inner.status().message());
  check->set_delay_seconds(delay);
  check->set_interval_seconds(interval);
  check->set_timeout_seconds(timeout);
  check->set_grace_period_seconds(grace);
  check->set_consecutive_failures(failures);
  if (type == "tcp") {
    check->set_type(v1::HealthCheck::TCP);
    check->mutable_tcp();
  } else {
    check->set_type(v1::HealthCheck::HTTP);
    check->mutable_http()->set_path(path);
  }
  tasks.health_check = std::move(check);
}

void read_tasks(Reader& reader, Config& config) {
  TaskSettings& t = config.tasks;
  std::string containerizer = "docker";
  reader.text("containerizer", containerizer);
  if (containerizer != "docker" && containerizer != "mesos") {
    reader.refuse("containerizer", "is docker or mesos");
  }
  t.docker = containerizer == "docker";
  reader.flag("task_group", t.task_group);
  if (t.task_group && t.docker) {
    reader.refuse("task_group", "needs containerizer = \"mesos\": Docker runs no task groups");
  }
  reader.text("network", t.network);
  if (t.network.empty()) reader.refuse("network", "is bridge, host, or a network's name");
  if (!t.docker && t.network == "bridge") {
    if (reader.find("network") != nullptr) {
      reader.refuse("network",
                    "the mesos containerizer has no bridge: name its CNI network, or host");
    }
    t.network = "host";
  }
  reader.number("port", 1, 65535, t.port);
  reader.pairs("parameters", t.parameters);
  std::vector<std::string> dns;
  reader.strings("dns", dns);
  for (std::string& server : dns) t.parameters.emplace_back("dns", std::move(server));
  reader.pairs("environment", t.environment);
  reader.pairs("labels", t.labels);
  reader.strings("uris", t.uris);
  std::string file;
  reader.text("docker_config", file);
  if (!file.empty()) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return reader.refuse("docker_config", "cannot read " + file);
    t.image_credentials.assign(std::istreambuf_iterator<char>(in), {});
  }
  std::string pull = "never";
  reader.text("force_pull", pull);
  t.force_pull = pull == "always" ? ForcePull::kAlways
                 : pull == "user" ? ForcePull::kUserImages
                                  : ForcePull::kNever;
  reader.real("cpus", t.cpus);
  reader.number("disk", 0, 1'000'000'000, t.disk_mb);
  reader.number("gpus", 0, 1000, t.gpus);
  config.scheduler.gpus = t.gpus > 0;
  reader.constraints("constraints", t.constraints);
  t.blackbox_constraints = t.constraints;
  reader.constraints("blackbox_constraints", t.blackbox_constraints);
  reader.text("matcher", config.matcher);
  if (make_matcher(config.matcher) == nullptr) {
    reader.refuse("matcher", "is first-match, best-fit or spread");
  }
  std::string logs = "agent";
  reader.text("logs", logs);
  if (logs != "agent" && logs != "none") reader.refuse("logs", "is agent or none");
  config.read_logs = logs == "agent";
}

}  // namespace

sdk::Status Config::parse(std::string_view text, std::string_view instance, Config& config) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return sdk::invalid_argument("plugin.mesos is no table");
  config.scheduler.framework_name = "berth-" + std::string(instance);
  char host[256] = "";
  if (::gethostname(host, sizeof host - 1) == 0) config.scheduler.hostname = host;
  Reader reader(value.get_object(), "plugin.mesos");
  read_masters(reader, config);
  read_framework(reader, config);
  read_tls(reader, config.scheduler.tls);
  read_tasks(reader, config);
  read_health_check(reader, config.tasks);
  return reader.status();
}

}  // namespace berth::mesos
