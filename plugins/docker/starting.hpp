// SPDX-License-Identifier: Apache-2.0
// A create that is under way, as those see it who may end it: the probe, the engine's answer, the
// event stream, the host's cancel. Private to the factory's sources; the loop's thread only.
#pragma once

#include <memory>
#include <optional>

#include "berth/sdk/status.hpp"
#include "docker/docker_factory.hpp"

namespace berth::docker {

std::string random_hex(std::size_t digits);

struct DockerFactory::Starting {
  explicit Starting(boost::asio::io_context& context) : changed(context) {}

  void cancel() {
    cancelled = true;
    changed.raise();
  }

  Signal changed;  // raised whenever something below was set
  bool cancelled = false;
  bool accepted = false;                   // the function takes connections
  std::optional<sdk::Status> engine_said;  // the engine's answer to `start`
  // The place among the parallel creates; kept until the engine is done with the start.
  Limiter::Place place;
};

}  // namespace berth::docker
