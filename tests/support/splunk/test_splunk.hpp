// SPDX-License-Identifier: Apache-2.0
// splunk_server.py as a child of the test. Ends with the object. Not thread-safe.
#pragma once

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "support/unique_fd.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace berth::test {

class TestSplunk {
 public:
  static constexpr const char* kToken = "11111111-2222-3333-4444-555555555555";

  explicit TestSplunk(std::vector<std::string> arguments = {}, int port = 0)
      : tls_(std::find(arguments.begin(), arguments.end(), "--tls-cert") != arguments.end()) {
    const char* const source = std::getenv("BERTH_SOURCE_DIR");
    if (source == nullptr) throw std::runtime_error("run by ctest, or set BERTH_SOURCE_DIR");
    arguments.insert(
        arguments.begin(),
        {"/usr/bin/python3", std::string(source) + "/tests/support/splunk/splunk_server.py",
         "--port", std::to_string(port)});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int in[2];
    int out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
      throw std::runtime_error("pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const int error = ::posix_spawn(&child_, argv[0], &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_.reset(in[1]);
    const support::UniqueFd output(out[0]);
    if (error != 0) throw std::runtime_error("posix_spawn");
    std::string line;
    for (char c = 0; ::read(output.get(), &c, 1) == 1 && c != '\n';) line += c;
    if (line.empty()) throw std::runtime_error("splunk_server.py did not start");
    port_ = static_cast<int>(boost::json::parse(line).at("port").as_int64());
  }
  ~TestSplunk() { stop(); }
  TestSplunk(const TestSplunk&) = delete;
  TestSplunk& operator=(const TestSplunk&) = delete;

  void stop() {
    input_.reset();
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(std::exchange(child_, 0), nullptr, 0);
  }

  int port() const { return port_; }
  std::string url() const {
    return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
  }

  // The rest not over TLS.

  void faults(const std::string& json) { exchange("POST", "/test/faults", json); }
  void clear() { exchange("POST", "/test/clear", "{}"); }
  boost::json::value state() { return boost::json::parse(exchange("GET", "/test/state", "")); }
  std::int64_t count(const std::string& name) { return state().at("counts").at(name).as_int64(); }
  // An event as another sender's.
  void collect(const std::string& event) {
    exchange("POST", "/services/collector/event", event,
             std::string("Authorization: Splunk ") + kToken + "\r\n");
  }
  std::int64_t events() { return state().at("events").as_int64(); }
  boost::json::value all_events() {
    return boost::json::parse(exchange("GET", "/test/events", ""));
  }

 private:
  // One request on a connection of its own; the reply's body.
  std::string exchange(const std::string& method, const std::string& path, const std::string& body,
                       const std::string& headers = "") const {
    const support::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect to splunk_server.py");
    }
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers +
        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      throw std::runtime_error("send");
    }
    std::string reply;
    char buffer[65536];
    for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
      reply.append(buffer, static_cast<std::size_t>(got));
    }
    const std::size_t end = reply.find("\r\n\r\n");
    if (end == std::string::npos) throw std::runtime_error("no reply of splunk_server.py");
    return reply.substr(end + 4);
  }

  const bool tls_;
  pid_t child_ = 0;
  support::UniqueFd input_;
  int port_ = 0;
};

// The configuration of a plugin that works with it, ready for more members before the brace.
inline std::string splunk_config(const TestSplunk& splunk, const std::string& more = "") {
  return R"({"hec_url":")" + splunk.url() + R"(","hec_token":")" + TestSplunk::kToken +
         R"(","search_url":")" + splunk.url() +
         R"(","search_token":"search-token","batch_wait_ms":1,"retry_max_ms":20,"ack_poll_ms":5)" +
         (more.empty() ? "" : "," + more) + "}";
}

}  // namespace berth::test
