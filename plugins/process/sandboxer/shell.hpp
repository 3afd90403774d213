// SPDX-License-Identifier: Apache-2.0
// Shell: a sandbox up to, but not including, its program: namespaces, root, ids, no capabilities,
// the filter, output pipes, all there, and the process waits for its command. Making one costs most
// of a start, so the sandboxer keeps a few ahead; handing one its command costs an exec.
//
// Two kinds of process become shells: a fork of the sandboxer, which then executes the function's
// program, and a fork of a zygote (zygote.hpp), which is the program already.
//
// The process is PID 1 of its PID namespace and becomes the program itself, as container engines do
// it without --init: when it ends, everything in the sandbox ends, and the sandboxer, its parent,
// has the exit status first-hand. (The runtimes reap orphans where that matters.)
//
// Between parent and child runs a SOCK_SEQPACKET pair: child "N" (give me my ids) → parent "M"
// (done) → child "R" (ready) → parent "G" + command with the listening socket → exec. Instead of
// "N" or "R" the child may say "E" + text and exit. Where shells are short the answer
// to "N" is "M!": then it does nothing that can be left out. The pair is close-on-exec; its
// end-of-file tells a waiting child that the sandboxer is gone.
#pragma once

#include <cstdint>
#include <linux/filter.h>
#include <linux/sched.h>
#include <string>
#include <sys/types.h>
#include <vector>

#include "berth/sdk/status.hpp"
#include "protocol/protocol.hpp"
#include "protocol/unique_fd.hpp"
#include "rootfs.hpp"

namespace berth::process {

inline constexpr int kListenFd = 3;    // the function's listening socket, in BERTH_LISTEN_FD
inline constexpr int kControlFd = 10;  // the child's end of the pair until exec

// What sandboxes and zygotes take their machine's name to be.
inline constexpr char kHostname[] = "sandbox";

// What every sandbox is born into; the network, cgroup and user namespaces follow by other ways.
inline constexpr uint64_t kShellNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;

// Everything the child needs, prepared by the parent so that the child allocates little.
struct ShellSetup {
  int control = -1;
  int output = -1;  // write ends of the pipes
  int errors = -1;
  std::vector<int> v1_tasks;
  int network = -1;          // network namespace to join; -1: see new_network
  bool new_network = false;  // make one (and set its loopback up)
  int v2_cgroup = -1;        // to be born into
  PrivateMounts mounts;
  uint32_t open_files = 1024;
  const std::vector<sock_filter>* filter = nullptr;
};

// The command, as it travels to the child after "G".
struct ShellCommand {
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  uint32_t process_limit = 0;  // as RLIMIT_NPROC; 0: none
};
void encode(Writer& out, const ShellCommand& command);
bool decode(Reader& in, ShellCommand& command);

struct ShellProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// Starts the process in its namespaces.
sdk::Status start_shell(const ShellSetup& setup, ShellProcess& process);

// Answers "N": maps the ids of the child's user namespace. With a `range` inner ids 0.. are given
// host ids range_start.. ; else the function's id is the sandboxer's own.
sdk::Status map_ids(int host_proc, pid_t pid, uint32_t range_start, uint32_t range_size);

// The child's part, in its own file, shell_child.cpp. Each tells the parent what failed and ends
// the process instead of returning then. First of all: nothing is charged to the wrong group.
void join_cgroups(const ShellSetup& setup);
// All the rest of the sandbox; afterwards no descriptor above 2 is open but the control socket at
// kControlFd. True if there is time to do more than is needed.
bool enter_sandbox(const ShellSetup& setup);
// Says "R" and returns when the command has come, with the listening socket at kListenFd.
void await_command(ShellCommand& command);
// A fork of the sandboxer: all of it, and the program.
[[noreturn]] void run_shell(const ShellSetup& setup);

}  // namespace berth::process
