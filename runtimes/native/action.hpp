// SPDX-License-Identifier: Apache-2.0
// The user's program, which keeps the ActionLoop protocol: one JSON line in on stdin, one JSON line
// out on descriptor 3, for each activation; stdout and stderr are the activation's log. Not
// thread-safe. One Action at a time in a process: it owns SIGCHLD and reaps every child, also those
// a container's first process inherits.
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace berth::native {

class Action {
 public:
  Action() = default;
  Action(const Action&) = delete;
  Action& operator=(const Action&) = delete;
  ~Action() { stop(); }

  // Starts the program in its directory with exactly this environment ("NAME=value"). False, with
  // the reason, when it cannot be executed.
  bool start(const std::string& program, const std::string& directory,
             const std::vector<std::string>& environment, std::string& error);

  // Waits for the line {"ok":true} that a program sends when __OW_WAIT_FOR_ACK is set. False, with
  // the reason, when it sends something else or ends.
  bool wait_for_ack(std::string& error);

  // Sends one line (without its end) and waits for the answer (with its end). False when the
  // program ended or closed its descriptor 3 without an answer; it is then stopped.
  bool interact(std::string_view line, std::string& answer);

  // Whether the program is known to run. Updated by reap() and interact().
  bool running() const { return pid_ > 0; }

  // To be polled for input: when readable, call reap().
  int child_events_fd() const { return signals_; }
  void reap();

  // Kills the program and waits for its end.
  void stop();

 private:
  bool read_answer(std::string_view input, std::string& answer);
  bool take_line(std::string& answer);
  bool read_output();
  void close_pipes();

  pid_t pid_ = -1;
  int signals_ = -1;
  int input_ = -1;   // the program's stdin
  int output_ = -1;  // the program's descriptor 3
  std::string received_;
};

}  // namespace berth::native
