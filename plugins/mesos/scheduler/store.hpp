// SPDX-License-Identifier: Apache-2.0
// Store: what a Scheduler must find again after a restart. Called and answering on the loop's
// thread; writes are done in the order in which they were asked for.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "berth/sdk/status.hpp"

namespace berth::mesos {

class Store {
 public:
  virtual ~Store() = default;
  // Everything that was put and not removed. `done` is never called from inside.
  using Loaded = std::function<void(const sdk::Status&, std::map<std::string, std::string>)>;
  virtual void load(Loaded done) = 0;
  // `done` comes when the entry would survive a crash; never from inside.
  virtual void put(const std::string& key, std::string value,
                   std::function<void(const sdk::Status&)> done) = 0;
  virtual void remove(const std::string& key) = 0;
};

}  // namespace berth::mesos
