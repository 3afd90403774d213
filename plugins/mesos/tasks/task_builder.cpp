// SPDX-License-Identifier: Apache-2.0
#include "mesos/tasks/task_builder.hpp"

#include <algorithm>

namespace berth::mesos {
namespace {

using Docker = v1::ContainerInfo::DockerInfo;

// A task is never given less: an executor would not start in it.
constexpr std::int64_t kLeastCpus = 10;           // 0.01
constexpr std::int64_t kLeastMemory = 32 * 1000;  // 32 MB
constexpr const char* kPortVariable = "BERTH_PORT";

void set_variable(v1::TaskInfo& info, const std::string& name, const std::string& value) {
  auto* variables = info.mutable_command()->mutable_environment()->mutable_variables();
  for (auto& variable : *variables) {
    if (variable.name() == name) return variable.set_value(value);
  }
  auto& added = *variables->Add();
  added.set_name(name);
  added.set_value(value);
}

void add_label(v1::TaskInfo& info, const std::string& key, const std::string& value) {
  v1::Label& label = *info.mutable_labels()->add_labels();
  label.set_key(key);
  label.set_value(value);
}

class Builder final : public TaskBuilder {
 public:
  explicit Builder(TaskSettings settings) : settings_(std::move(settings)) {}

  TaskSpec build(const sdk::CreateRequest& request) const override {
    TaskSpec spec;
    spec.name = request.name;
    spec.image = request.image;
    spec.user_image = request.user_provided_image;
    set_demand(request, spec.demand);
    v1::TaskInfo& info = spec.info;
    // Without a value and not a shell's: the image's own entry point.
    info.mutable_command()->set_shell(false);
    for (const auto& [name, value] : settings_.environment) set_variable(info, name, value);
    for (const auto& [name, value] : request.environment) set_variable(info, name, value);
    for (const std::string& uri : settings_.uris) {
      info.mutable_command()->add_uris()->set_value(uri);
    }
    for (const auto& [key, value] : settings_.labels) add_label(info, key, value);
    for (const auto& [key, value] : request.labels) add_label(info, key, value);
    add_label(info, "berth.name", request.name);
    settings_.docker ? set_docker(request, info) : set_mesos(request, info);
    spec.as_group = spec.demand.executor = settings_.task_group;
    if (settings_.health_check != nullptr) {
      *info.mutable_health_check() = *settings_.health_check;
      spec.wait_until_healthy = true;
    }
    spec.set_ports = [settings = settings_](const std::vector<std::uint32_t>& ports,
                                            v1::TaskInfo& task) { place(settings, ports, task); };
    return spec;
  }

  std::string address(const Task& task) const override {
    if (on_own_network(settings_)) {
      return task.container_ip.empty() ? ""
                                       : task.container_ip + ":" + std::to_string(settings_.port);
    }
    if (task.ports.empty()) return "";
    const std::string& host = task.agent_ip.empty() ? task.hostname : task.agent_ip;
    return host + ":" + std::to_string(task.ports.front());
  }

 private:
  static bool on_own_network(const TaskSettings& s) {
    return s.network != "bridge" && s.network != "host";
  }

  void set_demand(const sdk::CreateRequest& request, Demand& demand) const {
    demand.cpus = settings_.cpus > 0 ? to_thousandths(settings_.cpus)
                                     : std::int64_t{request.cpu_shares} * 1000 / 1024;
    demand.cpus = std::max(demand.cpus, kLeastCpus);
    demand.mem =
        std::max(static_cast<std::int64_t>(request.memory_bytes * 1000 / (1u << 20)), kLeastMemory);
    demand.disk = std::int64_t{settings_.disk_mb} * 1000;
    demand.gpus = std::int64_t{settings_.gpus} * 1000;
    demand.ports = on_own_network(settings_) ? 0 : 1;
    demand.constraints =
        request.user_provided_image ? settings_.blackbox_constraints : settings_.constraints;
    const auto counts = [](const Constraint& c) { return c.counts(); };
    if (demand.constraints != nullptr &&
        std::any_of(demand.constraints->begin(), demand.constraints->end(), counts)) {
      demand.group = request.user_provided_image ? "blackbox" : "functions";
    }
  }

  void set_docker(const sdk::CreateRequest& request, v1::TaskInfo& info) const {
    v1::ContainerInfo& container = *info.mutable_container();
    container.set_type(v1::ContainerInfo::DOCKER);
    Docker& docker = *container.mutable_docker();
    docker.set_image(request.image);
    docker.set_privileged(false);
    docker.set_force_pull_image(
        settings_.force_pull == ForcePull::kAlways ||
        (settings_.force_pull == ForcePull::kUserImages && request.user_provided_image));
    if (settings_.network == "bridge") {
      docker.set_network(Docker::BRIDGE);
    } else if (settings_.network == "host") {
      docker.set_network(Docker::HOST);
    } else {
      docker.set_network(Docker::USER);
      container.add_network_infos()->set_name(settings_.network);
    }
    const auto add = [&](std::string_view key, const std::string& value) {
      while (key.starts_with('-')) key.remove_prefix(1);
      v1::Parameter& parameter = *docker.add_parameters();
      parameter.set_key(std::string(key));
      parameter.set_value(value);
    };
    for (const auto& [key, value] : settings_.parameters) add(key, value);
    for (const auto& [key, value] : request.log_parameters) add(key, value);
    if (request.pids_limit > 0) add("pids-limit", std::to_string(request.pids_limit));
    if (request.cpu_quota_millis > 0) {
      add("cpu-period", "100000");
      add("cpu-quota", std::to_string(std::uint64_t{request.cpu_quota_millis} * 100));
    }
  }

  void set_mesos(const sdk::CreateRequest& request, v1::TaskInfo& info) const {
    v1::ContainerInfo& container = *info.mutable_container();
    container.set_type(v1::ContainerInfo::MESOS);
    v1::Image& image = *container.mutable_mesos()->mutable_image();
    image.set_type(v1::Image::DOCKER);
    image.mutable_docker()->set_name(request.image);
    const bool pull =
        settings_.force_pull == ForcePull::kAlways ||
        (settings_.force_pull == ForcePull::kUserImages && request.user_provided_image);
    image.set_cached(!pull);
    if (!settings_.image_credentials.empty()) {
      v1::Secret& secret = *image.mutable_docker()->mutable_config();
      secret.set_type(v1::Secret::VALUE);
      secret.mutable_value()->set_data(settings_.image_credentials);
    }
    if (on_own_network(settings_)) container.add_network_infos()->set_name(settings_.network);
  }

  // Once it is known which ports the task got.
  static void place(const TaskSettings& s, const std::vector<std::uint32_t>& ports,
                    v1::TaskInfo& info) {
    std::uint32_t inside = s.port;
    if (!ports.empty() && s.docker && s.network == "bridge") {
      Docker::PortMapping& mapping =
          *info.mutable_container()->mutable_docker()->add_port_mappings();
      mapping.set_host_port(ports.front());
      mapping.set_container_port(s.port);
      mapping.set_protocol("tcp");
    } else if (!ports.empty()) {
      inside = ports.front();
      set_variable(info, kPortVariable, std::to_string(inside));
    }
    if (!info.has_health_check()) return;
    v1::HealthCheck& check = *info.mutable_health_check();
    check.has_http() ? check.mutable_http()->set_port(inside)
                     : check.mutable_tcp()->set_port(inside);
  }

  const TaskSettings settings_;
};

}  // namespace

std::unique_ptr<TaskBuilder> make_task_builder(TaskSettings settings) {
  return std::make_unique<Builder>(std::move(settings));
}

}  // namespace berth::mesos
