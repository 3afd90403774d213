// SPDX-License-Identifier: Apache-2.0
// A read_logs of MesosFactory that is under way. The loop's thread only.
#pragma once

#include <string>
#include <string_view>

#include "mesos/mesos_factory.hpp"

namespace berth::mesos {

// Where a reader is: an offset into each of the two files.
struct LogCursor {
  std::uint64_t offsets[2] = {0, 0};  // stdout, stderr

  // "m<stdout>.<stderr>".
  std::string text() const;
  // False if it is none.
  static bool parse(std::string_view text, LogCursor& to);
};

struct MesosFactory::Reading {
  Reading(sdk::Promise<sdk::LogBatch> promise, boost::asio::io_context& context)
      : done(std::move(promise)), timer(context) {}

  sdk::Promise<sdk::LogBatch> done;
  boost::asio::steady_timer timer;
  std::string id;
  std::string agent_url;
  std::string sandbox;
  LogCursor cursor;
  std::uint64_t max_bytes = 0;
  sdk::LogBatch batch;
  sdk::Status trouble;
  SteadyTime deadline;
  milliseconds pause{0};
  unsigned rounds = 0;
  int wanted = 0;  // answers of this round that have not come
  bool container_ended = false;
  bool more[2] = {false, false};     // its last piece was not its file's end
  bool rotated[2] = {false, false};  // the rest of the file that was is read first
};

}  // namespace berth::mesos
