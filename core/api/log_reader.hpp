// SPDX-License-Identifier: Apache-2.0
// Reads the logs of activations from the LogStore, all pages, as the lines that OpenWhisk's clients
// show. Lines that are still on their way to the store are waited for. Stateless; belongs to the
// Intake's io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "activation/intake.hpp"
#include "base/result.hpp"
#include "entity/activation.hpp"
#include "plugin/log_store.hpp"

namespace berth::api {

struct LogSource {
  boost::asio::io_context& io;
  const activation::Intake& intake;
  plugin::LogStore& store;
  // The Api has ended, and the store may: nothing more is asked of it.
  std::shared_ptr<const bool> over;
};

// "2019-06-24T17:30:00.914123456Z stdout: hello": the time without trailing zeros, 30 wide.
std::string format_log_line(const plugin::LogLine& line);

// The lines of one activation. `done` is called once from the io_context. An activation that the
// store does not know has none. A last line says so when the store has lost some. Half of `at_most`
// is for lines on their way.
void read_logs(const LogSource& source, const entity::Activation& activation,
               std::chrono::milliseconds at_most,
               std::function<void(Result<std::vector<std::string>>)> done);

// A part of the logs of an activation that may still run, and where the next part begins: nothing
// when no more will come.
struct LogTail {
  std::vector<std::string> lines;
  std::string cursor;
};

// The lines after `cursor` (empty: all). Waits up to `at_most` for at least one. UNIMPLEMENTED if
// the store cannot follow logs.
void follow_logs(const LogSource& source, plugin::ActivationRef activation, std::string cursor,
                 std::chrono::milliseconds at_most, std::function<void(Result<LogTail>)> done);

// Puts into each record the lines that come within `at_most` for all of them together; the rest
// stay without, as do those that have logs of their own. `done` is called once from the io_context.
void add_logs(const LogSource& source, std::vector<entity::Activation> activations,
              std::chrono::milliseconds at_most,
              std::function<void(std::vector<entity::Activation>)> done);

}  // namespace berth::api
