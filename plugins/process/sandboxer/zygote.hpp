// SPDX-License-Identifier: Apache-2.0
// Zygote: a warm interpreter of which shells (shell.hpp) are forked, so that a sandbox begins where
// an interpreter's start ends.
//
// The zygote stands in the sandboxes' root, with a host name and an empty network of its own (the
// host's network where sandboxes have it too), none of the host's files, only the capabilities that
// making a sandbox takes, and never a line of any function. A fork is the sandboxer's child, born
// into its own namespaces and cgroup, and goes through the same steps as every shell, ids, filter
// and all.
//
// It is started when first wanted; when it dies, or after `renew_after` forks, another takes its
// place, with growing pauses while that fails. The old one serves until the new one is ready. While
// there is none `usable()` is false and sandboxes are started from nothing; for good where the
// runtime is of another version than the sandboxer.
//
// Runs on the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "loop.hpp"
#include "protocol/fork_request.hpp"
#include "protocol/protocol.hpp"
#include "rootfs.hpp"
#include "shell.hpp"

namespace berth::process {

class Zygote {
 public:
  // The pid of a new shell, or what went wrong.
  using OnForked = std::function<void(const sdk::Status&, ShellProcess)>;

  // `changed` is called when usable() may have become another.
  Zygote(Loop& loop, const HostView& host, ZygoteSettings settings, bool own_network,
         std::function<void()> changed);
  // Ends the processes. Forks that were asked for are forgotten without an answer.
  ~Zygote();

  // Starts it if that was not done yet.
  void wake();
  bool usable() const { return current_ != 0; }
  // Asks for a fork. The setup's descriptors may be closed after the call. `done` is called from
  // the loop, never from within; not at all if this returns an error.
  sdk::Status fork(const ShellSetup& setup, bool privileged, OnForked done);

  // How many have become usable.
  uint64_t starts() const { return starts_; }
  // What is wrong, for people; empty if nothing is.
  const std::string& problem() const { return problem_; }
  // Whether it owes an answer: there may be a fork of it that nobody knows yet.
  bool busy() const;
  // Whether this is a process of the zygote's, which it waits for itself.
  bool owns(pid_t pid) const;

 private:
  struct Process {
    uint64_t serial = 0;
    ShellProcess process;
    UniqueFd control;
    UniqueFd output;
    std::string said;        // the end of its output
    std::string killed_for;  // why we ended it; empty if we did not
    uint64_t ready_at_ns = 0;
    uint32_t forks = 0;
    Loop::TimerId deadline = 0;
    std::unordered_map<uint64_t, OnForked> asked;
  };

  sdk::Status start();
  void on_control(uint64_t serial);
  void on_output(uint64_t serial);
  void on_ended(uint64_t serial);
  bool handle(Process& process, const std::string& packet);
  void take_over(Process& process, Reader& reader);
  void await_answer(Process& process);
  void kill(Process& process, std::string why);
  void retire(uint64_t serial);
  void retry();
  Process* find(uint64_t serial);

  Loop& loop_;
  const HostView& host_;
  const ZygoteSettings settings_;
  const bool own_network_;
  const std::function<void()> changed_;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;
  uint64_t current_ = 0;  // serials; 0: none
  uint64_t next_ = 0;     // warming up
  uint64_t next_serial_ = 1;
  uint64_t next_fork_ = 1;
  uint64_t starts_ = 0;
  uint32_t failures_ = 0;
  bool awake_ = false;
  bool given_up_ = false;  // another would be no better
  Loop::TimerId retry_timer_ = 0;
  std::string problem_;
};

}  // namespace berth::process
