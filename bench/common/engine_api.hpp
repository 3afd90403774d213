// SPDX-License-Identifier: Apache-2.0
// A Docker engine used as simply as it can be: blocking calls on one kept connection, and the
// command line. What a plugin on an engine is measured against. Everything throws
// std::runtime_error. One thread.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace berth::bench {

class EngineApi {
 public:
  // `host` is unix:///path.
  explicit EngineApi(const std::string& host);

  // The answer's body, parsed; null if it is empty. Throws if the code is not a success.
  boost::json::value call(std::string_view method, std::string_view path,
                          std::string_view body = "");

  // Creates and starts a container as the plugin's are made, with the engine's network mode.
  std::string run(const std::string& image, const std::string& network);
  void remove(const std::string& id);

  // Each from nothing to the first HTTP byte in microseconds; the container is removed.
  // `network`: none, bridge, or container:ID with `address` its IP.
  double start_us(const std::string& image, const std::string& network,
                  const std::string& address = "");
  // The same with the command line.
  double docker_run_us(const std::string& image, const std::string& network);

  std::string address_of(const std::string& id, const std::string& network);

 private:
  void connect();
  double wait_us(const std::string& id, const std::string& network, const std::string& address,
                 double begin_us);

  const std::string host_;
  UniqueFd fd_;
};

}  // namespace berth::bench
