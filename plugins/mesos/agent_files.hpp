// SPDX-License-Identifier: Apache-2.0
// AgentFiles: pieces of the files in a task's sandbox, through its agent's /files/read.
// The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "berth/sdk/status.hpp"
#include "berth_mesos_v1.pb.h"
#include "mesos/scheduler/settings.hpp"
#include "support/http/client.hpp"

namespace berth::mesos {

class AgentFiles {
 public:
  // `settings` must outlive it: TLS, credentials and the time of a call.
  AgentFiles(boost::asio::io_context& context, const Settings& settings);
  ~AgentFiles();

  struct Piece {
    sdk::Status status;      // NOT_FOUND: no such file (any more)
    std::string data;        // empty at the file's end
    std::uint64_t size = 0;  // only of size()
  };
  using Done = std::function<void(Piece)>;

  // The sandbox directory of task `id` as its agent names it: its executor's, or in that the nested
  // container's.
  static std::string sandbox(const std::string& framework, const std::string& id,
                             const v1::StoredTask& task);

  // At most `length` bytes (an agent gives at most 64 KB) from `offset` on. `done` comes once,
  // never from inside.
  void read(const std::string& agent_url, const std::string& path, std::uint64_t offset,
            std::uint64_t length, Done done);
  // How long the file is.
  void size(const std::string& agent_url, const std::string& path, Done done);

 private:
  void get(const std::string& agent_url, const std::string& query, Done done);

  boost::asio::io_context& context_;
  const Settings& settings_;
  std::map<std::string, std::unique_ptr<support::http::Client>> agents_;
};

}  // namespace berth::mesos
