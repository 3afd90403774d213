// SPDX-License-Identifier: Apache-2.0
// Reads the logs of activations from the LogStore, all pages, as the lines that OpenWhisk's clients
// show. Stateless; belongs to the io_context that is given.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "entity/activation.hpp"
#include "plugin/log_store.hpp"

namespace berth::api {

// "2019-06-24T17:30:00.914123456Z stdout: hello": the time without trailing zeros, 30 wide.
std::string format_log_line(const plugin::LogLine& line);

// The lines of one activation. `done` is called once from `io`. An activation that the store does
// not know has none. A last line says so when the store has lost some.
void read_logs(boost::asio::io_context& io, plugin::LogStore& store,
               const entity::Activation& activation, std::chrono::milliseconds at_most,
               std::function<void(Result<std::vector<std::string>>)> done);

// Puts into each record the lines that come within `at_most` for all of them together; the rest
// stay without, as do those that have logs of their own. `done` is called once from `io`.
void add_logs(boost::asio::io_context& io, plugin::LogStore& store,
              std::vector<entity::Activation> activations, std::chrono::milliseconds at_most,
              std::function<void(std::vector<entity::Activation>)> done);

}  // namespace berth::api
