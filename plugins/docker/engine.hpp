// SPDX-License-Identifier: Apache-2.0
// Engine: calls of the Docker Engine API, in the version that the engine and we both know.
//
// A call fails with UNAVAILABLE and RETRYABLE if the engine cannot be reached or went away in the
// middle, with DEADLINE_EXCEEDED if it was too slow; whatever HTTP code it answered is a success of
// the call, and `status_of` makes a Status of it.
//
// Belongs to the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"
#include "docker/config.hpp"
#include "support/http/client.hpp"
#include "support/result.hpp"

namespace berth::docker {

template <typename T>
using Result = support::Result<T>;

// What /info says that we use.
struct EngineInfo {
  std::string root_directory;
  std::string logging_driver;
  std::string cgroup_driver;
  std::int64_t memory_bytes = -1;
  std::int64_t cpus = -1;
  bool memory_limit = true;
  bool cpu_quota = true;
  bool pids_limit = true;
  std::string version;
  std::string architecture;
};

struct Answer {
  int code = 0;
  std::string body;

  bool ok() const { return code >= 200 && code < 300; }
  // The body, or null if it is no JSON.
  boost::json::value json() const;
  // The engine's "message", or what there is of the body.
  std::string message() const;
};

class Engine {
 public:
  Engine(boost::asio::io_context& context, const Config& config);

  // Finds the version to speak. FAILED_PRECONDITION if there is none.
  boost::asio::awaitable<sdk::Status> negotiate();
  boost::asio::awaitable<Result<EngineInfo>> info();

  // `path` begins with '/' and comes without the version. Timeout 0: none.
  boost::asio::awaitable<Result<Answer>> call(std::string method, std::string path,
                                              std::string body, std::chrono::milliseconds timeout,
                                              std::vector<std::string> headers = {});
  // The same with `call_timeout`.
  boost::asio::awaitable<Result<Answer>> call(std::string method, std::string path);

  // For exchanges that stream: the client and a target with the version.
  support::http::Client& client() { return client_; }
  std::string target(std::string_view path) const;

  const std::string& api_version() const { return version_; }
  const std::string& where() const { return config_.host; }

 private:
  const Config& config_;
  support::http::Client client_;
  std::string version_ = "1.24";
};

// The version to speak when the engine says its newest and oldest (may be empty), or "".
std::string choose_version(std::string_view newest, std::string_view oldest);

// What an answer other than a success means. `what` is what was to be done.
sdk::Status status_of(const Answer& answer, std::string_view what);

}  // namespace berth::docker
