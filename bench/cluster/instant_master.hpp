// SPDX-License-Identifier: Apache-2.0
// A Mesos master with agents that do nothing and answer at once: what a scheduler does on it is
// bound by the scheduler. Each task runs as soon as it is accepted, an agent's offer comes again
// whole, and nothing is refused. One framework at a time.
#pragma once

#include <string>
#include <sys/types.h>

namespace berth::bench {

// In a process of its own, so that its memory and time are not the scheduler's. Start it before
// there are threads; it ends with the object. Throws std::runtime_error.
class InstantMaster {
 public:
  explicit InstantMaster(int agents);
  ~InstantMaster();
  InstantMaster(const InstantMaster&) = delete;
  InstantMaster& operator=(const InstantMaster&) = delete;

  const std::string& url() const { return url_; }
  // Cuts the subscription, as a leader that dies does; its successor knows the tasks.
  void fail_over();

 private:
  pid_t child_ = -1;
  std::string url_;
};

}  // namespace berth::bench
