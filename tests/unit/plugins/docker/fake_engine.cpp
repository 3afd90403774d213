// SPDX-License-Identifier: Apache-2.0
#include "fake_engine.hpp"

#include <arpa/inet.h>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace berth::testing {

namespace json = boost::json;

namespace {

std::string message(std::string_view text) {
  return json::serialize(json::object{{"message", text}});
}

std::string label_of(const FakeEngine::Container& container, std::string_view label) {
  const json::value* labels = container.body.if_contains("Labels");
  if (labels == nullptr) return "";
  const json::value* value = labels->as_object().if_contains(label);
  return value == nullptr ? "" : std::string(value->as_string());
}

}  // namespace

FakeEngine::FakeEngine(std::string socket, std::string root)
    : socket_(std::move(socket)), root_(std::move(root)) {
  claim_network();
  come_back();
}

void FakeEngine::claim_network() {
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    network_ =
        "127." + std::to_string(64 + random() % 64) + "." + std::to_string(random() % 256) + ".";
    claim_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(8080);
    ::inet_pton(AF_INET, (network_ + "254").c_str(), &name.sin_addr);
    if (::bind(claim_, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) return;
    ::close(claim_);
  }
  throw std::runtime_error("no network of 127.0.0.0/8 is free");
}

FakeEngine::~FakeEngine() {
  go_away();
  for (auto& [id, container] : containers_) close_listener(container);
  ::close(claim_);
}

void FakeEngine::set_hook(Hook hook) {
  const std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void FakeEngine::set_silent(bool silent) {
  const std::lock_guard lock(mutex_);
  silent_ = silent;
}

void FakeEngine::add_image(const std::string& name) {
  const std::lock_guard lock(mutex_);
  images_.insert(name);
}

void FakeEngine::remove_image(const std::string& name) {
  const std::lock_guard lock(mutex_);
  images_.erase(name);
}

void FakeEngine::go_away() {
  {
    const std::lock_guard lock(mutex_);
    away_ = true;
    ++epoch_;
  }
  changed_.notify_all();
  server_.reset();
  ::unlink(socket_.c_str());
}

void FakeEngine::come_back() {
  {
    const std::lock_guard lock(mutex_);
    away_ = false;
    events_.clear();
  }
  server_ = std::make_unique<HttpServer>(
      [this](const ServerRequest& request, ServerReply& reply) { serve(request, reply); }, socket_);
}

void FakeEngine::open_listener(Container& container) {
  if (container.listener >= 0 || container.address.empty()) return;
  container.listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(container.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(8080);
  ::inet_pton(AF_INET, container.address.c_str(), &name.sin_addr);
  if (::bind(container.listener, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      ::listen(container.listener, 16) != 0) {
    std::perror("the fake engine's function cannot listen");
  }
}

void FakeEngine::close_listener(Container& container) {
  if (container.listener >= 0) ::close(std::exchange(container.listener, -1));
}

void FakeEngine::listen(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (const auto it = containers_.find(id); it != containers_.end()) open_listener(it->second);
}

void FakeEngine::send_event(const std::string& action, const std::string& id, int exit_code) {
  json::object attributes{{"image", "x"}};
  if (exit_code >= 0) attributes["exitCode"] = std::to_string(exit_code);
  const json::object event{{"status", action},
                           {"id", id},
                           {"Type", "container"},
                           {"Action", action},
                           {"Actor", json::object{{"ID", id}, {"Attributes", attributes}}},
                           {"timeNano", 1'700'000'000'000'000'000}};
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(json::serialize(event) + "\n");
  }
  changed_.notify_all();
}

void FakeEngine::end(const std::string& id, int exit_code, bool oom) {
  {
    const std::lock_guard lock(mutex_);
    Container& container = containers_.at(id);
    container.state = "exited";
    container.exit_code = exit_code;
    container.oom = oom;
    close_listener(container);
  }
  send_event("die", id, exit_code);
}

void FakeEngine::take_away(const std::string& id) {
  const std::lock_guard lock(mutex_);
  close_listener(containers_.at(id));
  containers_.erase(id);
}

void FakeEngine::put(Container container) {
  const std::lock_guard lock(mutex_);
  containers_.insert_or_assign(container.id, std::move(container));
}

std::optional<FakeEngine::Container> FakeEngine::find(const std::string& wanted) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, container] : containers_) {
    if (id == wanted || container.name == wanted) return container;
  }
  return std::nullopt;
}

std::vector<FakeEngine::Container> FakeEngine::containers() const {
  const std::lock_guard lock(mutex_);
  std::vector<Container> all;
  for (const auto& [id, container] : containers_) all.push_back(container);
  return all;
}

std::vector<ServerRequest> FakeEngine::requests(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<ServerRequest> found;
  for (const ServerRequest& request : requests_) {
    if ((request.method + " " + request.target).starts_with(prefix)) found.push_back(request);
  }
  return found;
}

std::size_t FakeEngine::count(const std::string& prefix) const {
  return requests(prefix).size();
}

std::size_t FakeEngine::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_;
}

void FakeEngine::serve(const ServerRequest& original, ServerReply& reply) {
  ServerRequest request = original;
  // The version is the same everywhere but in /version: without it.
  if (request.target.starts_with("/v1.")) {
    request.target = request.target.substr(request.target.find('/', 1));
  }
  Hook hook;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    hook = hook_;
  }
  if (hook && hook(request, reply)) return;
  const std::string path = request.path();
  if (path == "/version") {
    reply.send(200, R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"})");
  } else if (path == "/info") {
    reply.send(200, json::serialize(json::object {
                 {"DockerRootDir", root_}, {"LoggingDriver", "json-file"},
                     {"CgroupDriver", "cgroupfs"}, {"MemTotal", 8'000'000'000}, {"NCPU", 4},
                     {"MemoryLimit", true}, {"CpuCfsQuota", true}, {"PidsLimit", false},
#if defined(__x86_64__)
                     {"Architecture", "x86_64"},
#else
                                                 {"Architecture", "aarch64"},
#endif
                 {
                   "ServerVersion", "20.10.24"
                 }
               }));
  } else if (path == "/events") {
    events(reply);
  } else if (path == "/images/create") {
    const std::string query = request.query();
    const std::size_t name = query.find("fromImage=");
    if (query.find("fromSrc=-") != std::string::npos) {
      const std::size_t at = query.find("repo=") + 5;
      add_image(query.substr(at, query.find('&', at) - at));
    } else if (name != std::string::npos) {
      const std::size_t at = name + 10;
      add_image(query.substr(at, query.find('&', at) - at));
    }
    reply.send(200, R"({"status":"Status: Downloaded newer image"})"
                    "\n");
  } else if (path.starts_with("/images/")) {
    std::string name = path.substr(8, path.size() - 8 - 5);
    name = name.substr(0, name.find_first_of(":@", name.find('/') + 1));
    const std::lock_guard lock(mutex_);
    if (images_.count(name) != 0) {
      reply.send(200, "{}");
    } else {
      reply.send(404, message("No such image: " + name));
    }
  } else {
    serve_containers(request, path, reply);
  }
}

void FakeEngine::events(ServerReply& reply) {
  std::unique_lock lock(mutex_);
  const std::uint64_t epoch = epoch_;
  std::size_t sent = events_.size();
  ++streams_;
  lock.unlock();
  bool good = reply.begin(200, "Content-Type: application/json\r\n");
  lock.lock();
  while (good && epoch == epoch_) {
    if (sent == events_.size()) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      lock.unlock();
      good = reply.client_stays(0.001);
      lock.lock();
      continue;
    }
    const std::string event = events_[sent++];
    lock.unlock();
    good = reply.chunk(event);
    lock.lock();
  }
  --streams_;
  reply.close();
}

void FakeEngine::create(const ServerRequest& request, ServerReply& reply) {
  Container container;
  container.body = json::parse(request.body).as_object();
  const std::string query = request.query();
  const std::size_t name = query.find("name=");
  if (name != std::string::npos) container.name = query.substr(name + 5);
  const std::lock_guard lock(mutex_);
  std::string image(container.body.at("Image").as_string());
  image = image.substr(0, image.find_first_of(":@", image.find('/') + 1));
  if (images_.count(image) == 0) {
    reply.send(404, message("No such image: " + image));
    return;
  }
  for (const auto& [id, other] : containers_) {
    if (!container.name.empty() && other.name == container.name) {
      reply.send(409, message("Conflict. The container name \"/" + container.name +
                              "\" is already in use by container \"" + id + "\"."));
      return;
    }
  }
  const int number = next_++;
  char text[65];
  std::snprintf(text, sizeof text, "%064x", number);
  container.id = text;
  const std::string mode(container.body.at("HostConfig").at("NetworkMode").as_string());
  if (mode.starts_with("container:")) {
    const auto joined = containers_.find(mode.substr(10));
    if (joined == containers_.end()) {
      reply.send(404, message("No such container: " + mode.substr(10)));
      return;
    }
    container.address = joined->second.address;
  } else if (mode != "host" && mode != "none") {
    container.address = network_ + std::to_string(number % 250 + 1);
  }
  containers_.emplace(container.id, container);
  reply.send(201, json::serialize(json::object{{"Id", container.id}}));
}

json::object FakeEngine::inspect(const Container& container) const {
  const bool running = container.state == "running" || container.state == "paused";
  const json::value host = container.body.at("HostConfig");
  const std::string mode(host.at("NetworkMode").as_string());
  json::object networks;
  if (running && !mode.starts_with("container:")) {
    networks[mode] = json::object{{"IPAddress", container.address}};
  }
  return json::object{{"Id", container.id},
                      {"State", json::object{{"Running", running},
                                             {"ExitCode", container.exit_code},
                                             {"OOMKilled", container.oom},
                                             {"Pid", 0}}},
                      {"HostConfig", host},
                      {"NetworkSettings", json::object{{"Networks", networks}}}};
}

void FakeEngine::serve_containers(const ServerRequest& request, const std::string& path,
                                  ServerReply& reply) {
  if (path == "/containers/create") return create(request, reply);
  if (path == "/containers/json") {
    const std::string query = request.query();
    const std::size_t at = query.find("berth.owner=") + 12;
    const std::string owner = query.substr(at, query.find('"', at) - at);
    json::array all;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, container] : containers_) {
      if (label_of(container, "berth.owner") != owner) continue;
      json::object one = inspect(container);
      one["Names"] = json::array{json::value("/" + container.name)};
      one["State"] = container.state;
      one["Labels"] = container.body.at("Labels");
      all.push_back(std::move(one));
    }
    reply.send(200, json::serialize(all));
    return;
  }
  const std::string rest = path.substr(std::min(path.size(), std::size_t{12}));
  const std::string id = rest.substr(0, rest.find('/'));
  const std::string verb = rest.size() > id.size() ? rest.substr(id.size() + 1) : "";
  std::unique_lock lock(mutex_);
  const auto it = containers_.find(id);
  if (it == containers_.end()) {
    reply.send(404, message("No such container: " + id));
    return;
  }
  Container& container = it->second;
  if (request.method == "DELETE") {
    close_listener(container);
    containers_.erase(it);
    reply.send(204, "");
  } else if (verb == "start") {
    const std::string mode(container.body.at("HostConfig").at("NetworkMode").as_string());
    const auto joined = containers_.find(mode.substr(std::min(mode.size(), std::size_t{10})));
    if (mode.starts_with("container:") &&
        (joined == containers_.end() || joined->second.state != "running")) {
      reply.send(409, message("cannot join network of a non running container"));
      return;
    }
    container.state = "running";
    if (!silent_ && label_of(container, "berth.role") == "function") open_listener(container);
    reply.send(204, "");
  } else if (verb == "kill") {
    lock.unlock();
    reply.send(204, "");
    end(id, 137, true);
  } else if (verb == "pause" || verb == "unpause") {
    container.state = verb == "pause" ? "paused" : "running";
    reply.send(204, "");
  } else if (verb == "update") {
    const json::value limits = json::parse(request.body);
    for (const auto& [word, value] : limits.as_object()) {
      container.body["HostConfig"].as_object()[word] = value;
    }
    reply.send(200, R"({"Warnings":null})");
  } else if (verb == "stats") {
    if (container.state == "exited") {
      reply.send(200, R"({"pids_stats":{},"cpu_stats":{"cpu_usage":{}},"memory_stats":{}})");
      return;
    }
    const json::value* limit = container.body.at("HostConfig").as_object().if_contains("Memory");
    const json::object stats{{"pids_stats", {{"current", 7}}},
                             {"cpu_stats", {{"cpu_usage", {{"total_usage", 123456789}}}}},
                             {"memory_stats",
                              {{"usage", 50'000'000},
                               {"stats", {{"inactive_file", 10'000'000}}},
                               {"limit", limit == nullptr ? json::value(8'000'000'000) : *limit}}}};
    reply.send(200, json::serialize(stats));
  } else if (verb == "json") {
    reply.send(200, json::serialize(inspect(container)));
  } else {
    reply.send(404, message("page not found"));
  }
}

}  // namespace berth::testing
