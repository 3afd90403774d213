// SPDX-License-Identifier: Apache-2.0
// ShellPool: makes shells (see shell.hpp), keeps some ready, and takes back what a sandbox was made
// of.
//
// Everything a start needs and that does not depend on the function is made here ahead of time and
// in the background: processes, namespaces, cgroups, ids, pipes; networks are reused
// (network_pool.hpp). Cleaning up never delays a start: it runs when the loop is idle.
//
// There is a line of shells for each zygote (zygote.hpp) and one for those that execute a program.
// Who waits in a zygote's line that cannot serve is moved to the plain one.
//
// Runs on the loop's thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cgroup.hpp"
#include "id_ranges.hpp"
#include "loop.hpp"
#include "network_pool.hpp"
#include "shell.hpp"
#include "zygote.hpp"

namespace berth::process {

// A prepared sandbox, or the remains of one. Owned by the pool until taken.
struct Shell {
  uint64_t serial = 0;
  size_t line = 0;       // 0: executes a program; else forked from a zygote
  bool forking = false;  // the zygote has not answered yet: there is no process
  std::string group;     // its cgroup's name
  bool has_group = false;
  CgroupLimits applied;
  ShellProcess process;
  UniqueFd control;
  UniqueFd output;  // read ends, non-blocking
  UniqueFd errors;
  UniqueFd oom_event;
  SandboxNetwork network;
  bool network_wanted = false;  // its own network namespace, to be kept for reuse
  uint32_t id_range = 0;
  bool ready = false;
  bool unwanted = false;  // of an older configuration or an error: dispose of it when it has ended
};

class ShellPool {
 public:
  using Taker = std::function<void(sdk::Status, std::unique_ptr<Shell>)>;

  ShellPool(Loop& loop, Cgroups& cgroups, const HostView& host, bool privileged,
            NetworkPool& networks, uint64_t seed);
  ~ShellPool();

  // Applies to shells made from now on; those that are ready are thrown away.
  void configure(const Settings& settings, const std::vector<sock_filter>* filter);

  // Calls `taker` with a ready shell, at once or when one has been made, in order. `cold` in stats
  // counts those that had to wait. With the runtime of a zygote the shell is one of its forks, or
  // a plain one where that cannot be had.
  void take(const std::string& zygote, Taker taker);

  // Tells whether a shell can be made here, by having one ready.
  void check(std::function<void(sdk::Status)> done);

  // Takes the remains of a shell whose process has been waited for.
  void recycle(std::unique_ptr<Shell> shell);

  // Makes no more, fails those who wait, and ends the ready ones. The loop must go on running until
  // `removing()` is 0 for the clean-up to be complete.
  void shut_down();

  size_t ready() const { return lines_[0].ready.size(); }
  // Adds what it knows of zygotes.
  void tell(StatsReply& stats) const;
  // Shells that end, and cgroups and networks that wait to be removed.
  size_t removing() const { return removing_groups_ + ending_ + networks_.leaving(); }
  uint64_t cold_takes() const { return cold_takes_; }

 private:
  // Where shells of one kind are made and waited for.
  struct Line {
    std::string runtime;
    std::unique_ptr<Zygote> zygote;  // none: the plain line, which is the first
    uint32_t prepared = 0;
    std::deque<uint64_t> ready;
    std::deque<Taker> takers;
    bool refill_scheduled = false;
    uint64_t ran_dry_ns = 0;  // when somebody last found none ready
    CgroupLimits usual_limits;
  };

  // Waits in a line. `has_waited`: in another one before, so that it is counted already.
  void join(size_t line, Taker taker, bool has_waited);
  size_t line_of(const std::string& zygote);
  void refill(size_t line);
  void schedule_refill(size_t line);
  // Whether sandboxes are wanted faster than they are made: then what is made ahead is made in the
  // least time instead of to the best effect.
  bool pressed(const Line& line) const;
  void back_off(size_t line);
  sdk::Status start_one(size_t line);
  sdk::Status ask_zygote(const ShellSetup& setup, std::unique_ptr<Shell> shell);
  void on_forked(uint64_t serial, const sdk::Status& status, ShellProcess process);
  void on_zygote_changed(const std::string& runtime);
  void end_zygotes();
  void reap_strays();
  void on_control(uint64_t serial);
  void on_ended(uint64_t serial);
  void deliver(size_t line);
  void adopt(std::unique_ptr<Shell> shell);
  void fail_one(size_t line, const sdk::Status& status);
  void release(Shell& shell);
  void discard(Shell& shell);
  void remove_group(std::string group, int attempt);
  size_t on_their_way(size_t line) const;

  Loop& loop_;
  Cgroups& cgroups_;
  const HostView& host_;
  const bool privileged_;
  NetworkPool& networks_;
  const uint64_t seed_;
  Settings settings_;
  const std::vector<sock_filter>* filter_ = nullptr;
  bool configured_ = false;
  bool stopping_ = false;
  IdRanges ids_;
  uint64_t next_serial_ = 1;
  std::unordered_map<uint64_t, std::unique_ptr<Shell>> shells_;  // not taken
  std::vector<Line> lines_{1};
  std::unordered_set<pid_t> pids_;  // of all shells, taken or not, until they are recycled
  size_t removing_groups_ = 0;
  size_t ending_ = 0;
  size_t checking_ = 0;  // of the plain line's takers: by check()
  uint64_t cold_takes_ = 0;
  uint64_t forked_ = 0;
  uint64_t fallbacks_ = 0;
};

}  // namespace berth::process
