// SPDX-License-Identifier: Apache-2.0
// One container of ours, as the plugin keeps it. Belongs to the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "berth/sdk/container_factory.hpp"
#include "docker/freezer.hpp"
#include "docker/json_file.hpp"
#include "docker/network_pool.hpp"
#include "docker/relay.hpp"
#include "docker/signal.hpp"

namespace berth::docker {

struct Death {
  int exit_code = -1;
  bool oom = false;
  std::string reason;
};

// A removal that is under way, and who else waits for it.
struct Removal {
  bool done = false;
  sdk::Status status;
  std::vector<std::shared_ptr<Signal>> waiting;
};

struct Container {
  std::string id;  // the engine's, 64 hex digits; also the token
  std::string name;
  std::string address;
  sdk::Pairs labels;
  std::uint64_t memory_bytes = 0;
  std::string log_driver;
  PooledNetwork network;         // if it is in a pooled one
  std::unique_ptr<Relay> relay;  // if it has no network

  bool handed_out = false;        // `create` succeeded or `list` told of it: the core knows it
  bool destroying = false;        // by us: its death is no news
  bool oom = false;               // the engine said that something in it was killed for memory
  std::shared_ptr<Signal> dying;  // it has died; raised if the engine says so thereafter
  bool paused_by_engine = false;
  bool frozen = false;  // by us, through its cgroup
  std::optional<Freezer> freezer;
  bool freezer_sought = false;
  std::optional<Death> death;
  std::shared_ptr<Removal> removal;
  std::function<void()> on_death;  // of the create that is under way

  std::unique_ptr<JsonLogFile> log_file;
  // Reads of its log that wait, by operation.
  std::map<std::uint64_t, std::shared_ptr<Signal>> readers;
};

// What the core and its users are told of a death.
std::string death_reason(int exit_code, bool oom, std::uint64_t memory_bytes);

}  // namespace berth::docker
