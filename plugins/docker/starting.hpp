// SPDX-License-Identifier: Apache-2.0
// A create that is under way, as those see it who may end it: the probe, the engine's answer, the
// event stream, the host's cancel and deadline. Private to the factory's sources; the loop's thread
// only.
#pragma once

#include <memory>
#include <optional>

#include "berth/sdk/status.hpp"
#include "docker/docker_factory.hpp"

namespace berth::docker {

// What a create waits for at the moment.
enum class Stage { kEngine, kPull, kPlace, kCreate, kStart, kListen };

// Its `changed` wakes the attempt, `answer` whoever answers the host.
struct DockerFactory::Starting : Waiter {
  explicit Starting(boost::asio::io_context& context) : Waiter(context), answer(context) {}

  void cancel() {
    cancelled = true;
    changed.raise();
    answer.raise();
  }

  Stage stage = Stage::kEngine;
  bool accepted = false;                   // the function takes connections
  std::optional<sdk::Status> engine_said;  // the engine's answer to `start`
  // The place among the parallel creates; kept until the engine is done with the start.
  Limiter::Place place;

  Signal answer;
  std::optional<sdk::Status> result;  // of the attempt
  ContainerPtr container;             // if that is OK
};

}  // namespace berth::docker
