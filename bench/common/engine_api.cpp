// SPDX-License-Identifier: Apache-2.0
#include "common/engine_api.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

#include "common/first_byte.hpp"

namespace berth::bench {
namespace {

namespace json = boost::json;

double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Tries until something listens.
void wait_at(const std::string& address) {
  for (int attempt = 0;; ++attempt) {
    try {
      return wait_for_first_byte(address);
    } catch (const std::runtime_error&) {
      if (attempt > 30'000) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace

EngineApi::EngineApi(const std::string& host) : host_(host) {
  if (!host.starts_with("unix://")) throw std::runtime_error("--engine must be unix:///path");
  connect();
}

void EngineApi::connect() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, host_.c_str() + 7, sizeof name.sun_path - 1);
  fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    throw std::runtime_error("no engine at " + host_);
  }
}

json::value EngineApi::call(std::string_view method, std::string_view path, std::string_view body) {
  std::string request = std::string(method) + " /v1.41" + std::string(path) +
                        " HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
                        "Content-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    throw std::runtime_error("the engine's connection broke");
  }
  std::string reply;
  const auto more = [&] {
    char buffer[65536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n <= 0) throw std::runtime_error("the engine's connection broke");
    reply.append(buffer, static_cast<std::size_t>(n));
  };
  std::size_t head;
  while ((head = reply.find("\r\n\r\n")) == std::string::npos) more();
  const int code = std::atoi(reply.c_str() + 9);
  const std::string header = reply.substr(0, head + 2);
  reply.erase(0, head + 4);
  std::string content;
  if (const std::size_t at = header.find("Content-Length: "); at != std::string::npos) {
    const std::size_t size = std::stoul(header.substr(at + 16));
    while (reply.size() < size) more();
    content = reply;
  } else if (header.find("Transfer-Encoding: chunked") != std::string::npos) {
    for (std::size_t size = 1; size != 0;) {
      std::size_t end;
      while ((end = reply.find("\r\n")) == std::string::npos) more();
      size = std::stoul(reply.substr(0, end), nullptr, 16);
      while (reply.size() < end + 2 + size + 2) more();
      content.append(reply, end + 2, size);
      reply.erase(0, end + 2 + size + 2);
    }
  }
  if (code / 100 != 2) {
    throw std::runtime_error(std::string(method) + " " + std::string(path) + ": " + content);
  }
  return content.empty() ? json::value() : json::parse(content);
}

std::string EngineApi::run(const std::string& image, const std::string& network) {
  json::object host{{"NetworkMode", network},  {"Memory", 256 << 20},
                    {"MemorySwap", 256 << 20}, {"CpuShares", 1024},
                    {"PidsLimit", 1024},       {"LogConfig", json::object{{"Type", "json-file"}}}};
  const json::object body{{"Image", image}, {"HostConfig", std::move(host)}};
  const json::value created = call("POST", "/containers/create", json::serialize(body));
  const std::string id(created.at("Id").as_string());
  call("POST", "/containers/" + id + "/start");
  return id;
}

void EngineApi::remove(const std::string& id) {
  call("DELETE", "/containers/" + id + "?force=1&v=1");
}

std::string EngineApi::address_of(const std::string& id, const std::string& network) {
  const json::value container = call("GET", "/containers/" + id + "/json");
  return std::string(
      container.at("NetworkSettings").at("Networks").at(network).at("IPAddress").as_string());
}

double EngineApi::wait_us(const std::string& id, const std::string& network,
                          const std::string& address, double begin_us) {
  if (network == "none") {
    // Whoever has no network is reached from inside its namespace only.
    const json::value container = call("GET", "/containers/" + id + "/json");
    const auto pid = container.at("State").at("Pid").as_int64();
    const UniqueFd here(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    const UniqueFd there(
        ::open(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    if (::setns(there.get(), CLONE_NEWNET) != 0) {
      throw std::runtime_error("cannot enter a container's network: run as root");
    }
    try {
      wait_at("tcp://127.0.0.1:8080");
    } catch (...) {
      ::setns(here.get(), CLONE_NEWNET);
      throw;
    }
    const double us = now_us() - begin_us;
    if (::setns(here.get(), CLONE_NEWNET) != 0) throw std::runtime_error("cannot come back");
    return us;
  }
  wait_at("tcp://" + (address.empty() ? address_of(id, network) : address) + ":8080");
  return now_us() - begin_us;
}

double EngineApi::start_us(const std::string& image, const std::string& network,
                           const std::string& address) {
  const double begin = now_us();
  const std::string id = run(image, network);
  const double us = wait_us(id, network, address, begin);
  remove(id);
  return us;
}

double EngineApi::docker_run_us(const std::string& image, const std::string& network) {
  const double begin = now_us();
  const std::string command = "docker --host " + host_ +
                              " run -d --memory 256m --memory-swap 256m " +
                              "--pids-limit 1024 --network " + network + " " + image;
  std::FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot run docker");
  char line[256] = "";
  const bool got = std::fgets(line, sizeof line, pipe) != nullptr;
  if (::pclose(pipe) != 0 || !got) throw std::runtime_error("docker run failed");
  const std::string id(line, std::strcspn(line, "\n"));
  const double us = wait_us(id, network, "", begin);
  remove(id);
  return us;
}

}  // namespace berth::bench
