// SPDX-License-Identifier: Apache-2.0
// libberth_zygote.so: what a warm interpreter needs to be forked into sandboxes. The interpreter's
// own script (runtimes/python/berth_zygote.py) loads it and calls, in this order:
//
//   berth_zygote_ready     once, when everything is imported
//   berth_zygote_wait      blocks until a sandbox is wanted; 0: the sandboxer is gone
//   berth_zygote_fork      as fork(2); the child is the sandboxer's child, in new namespaces
//   berth_zygote_enter     in the child: the rest of the sandbox
//   berth_zygote_become    in the child: waits for its command
//   berth_zygote_variable  in the child: the environment it was given
//
// C functions, called from the interpreter's only thread. The child carries nothing of any tenant,
// because a zygote never runs a function; what it shares with its sisters (hash seeds, addresses)
// changes with each zygote.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <linux/sched.h>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "protocol/fork_request.hpp"
#include "sandboxer/shell.hpp"
#include "sandboxer/sys.hpp"
#include "zygote/huge_pages.hpp"

#define BERTH_ZYGOTE_CALL extern "C" __attribute__((visibility("default")))

namespace berth::process {
namespace {

Fork wanted;
std::vector<UniqueFd> descriptors;
ShellCommand command;

// Where the C library keeps its main thread's id, which the kernel shall write anew in a child. The
// library's own fork does so, but cannot make namespaces or a child of our parent.
void* thread_id_address() {
  void* address = nullptr;
  return ::prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) == 0 ? address : nullptr;
}

ShellSetup setup_of(const Fork& fork, const std::vector<UniqueFd>& fds) {
  ShellSetup setup;
  size_t at = 0;
  const auto next = [&] { return fds[at++].get(); };
  setup.control = next();
  setup.output = next();
  setup.errors = next();
  if (fork.has_network) setup.network = next();
  if (fork.has_v2_cgroup) setup.v2_cgroup = next();
  while (at < fds.size()) setup.v1_tasks.push_back(next());
  setup.new_network = fork.new_network;
  setup.mounts = {fork.privileged, fork.writable_bytes, fork.writable_inodes};
  setup.open_files = fork.open_files;
  setup.filter = &fork.filter;
  return setup;
}

size_t least_descriptors(const Fork& fork) {
  return 3u + (fork.has_network ? 1 : 0) + (fork.has_v2_cgroup ? 1 : 0);
}

void answer(int32_t pid) {
  Writer out;
  out.u8('P');
  encode(out, Forked{wanted.serial, pid});
  send_packet(kControlFd, out.bytes());
}

}  // namespace
}  // namespace berth::process

using namespace berth::process;

// 0, or -1 where this kernel cannot fork an interpreter (the sandboxer then starts plainly).
BERTH_ZYGOTE_CALL int berth_zygote_ready(const char* problems) {
  if (thread_id_address() == nullptr) {
    send_packet(kControlFd, std::string("E") +
                                "the kernel does not tell where a thread's id is kept "
                                "(CONFIG_CHECKPOINT_RESTORE)");
    return -1;
  }
  collapse_heap();
  Writer out;
  out.u8('R');
  out.u32(kProtocolVersion);
  out.text(problems);
  return send_packet(kControlFd, out.bytes()) == 0 ? 0 : -1;
}

BERTH_ZYGOTE_CALL int berth_zygote_wait(void) {
  for (;;) {
    pollfd poll{kControlFd, POLLIN, 0};
    if (::poll(&poll, 1, -1) < 0 && errno != EINTR) return 0;
    std::string bytes;
    descriptors.clear();
    const Received received = receive_packet(kControlFd, bytes, descriptors);
    if (received == Received::kNothing) continue;
    if (received != Received::kPacket || bytes[0] != 'F') return 0;
    Reader reader(std::string_view(bytes).substr(1));
    return decode(reader, wanted) && descriptors.size() >= least_descriptors(wanted) ? 1 : 0;
  }
}

// In the zygote the child's pid or -errno, which the sandboxer is told too; 0 in the child.
BERTH_ZYGOTE_CALL int berth_zygote_fork(void) {
  const ShellSetup setup = setup_of(wanted, descriptors);
  void* robust_list = nullptr;
  size_t robust_size = 0;
  ::syscall(SYS_get_robust_list, 0, &robust_list, &robust_size);
  clone_args args{};
  // The sandboxer is to be the child's parent: it waits for it and dies before it.
  args.flags = kShellNamespaces | CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (setup.new_network) args.flags |= CLONE_NEWNET;
  args.child_tid = reinterpret_cast<uint64_t>(thread_id_address());
  if (setup.v2_cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(setup.v2_cgroup);
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) {
    ::syscall(SYS_set_robust_list, robust_list, robust_size);
    join_cgroups(setup);
    return 0;
  }
  const int result = pid < 0 ? -errno : static_cast<int>(pid);
  answer(result);
  descriptors.clear();
  return result;
}

// Whether there is time for practice, with one variable, before the command comes. Ends the process
// if the sandbox cannot be made.
BERTH_ZYGOTE_CALL int berth_zygote_enter(void) {
  const bool at_leisure = enter_sandbox(setup_of(wanted, descriptors));
  // enter_sandbox has closed them, and others may have their numbers by now.
  for (auto& fd : descriptors) fd.release();
  descriptors.clear();
  // An exec would have done this: the change of ids has made /proc/self another's.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  command.environment = {"HOME=/tmp"};
  return at_leisure ? 1 : 0;
}

// Returns how many variables the environment has. Ends the process if there is no command.
BERTH_ZYGOTE_CALL int berth_zygote_become(void) {
  await_command(command);
  ::close(kControlFd);
  return static_cast<int>(command.environment.size());
}

BERTH_ZYGOTE_CALL const char* berth_zygote_variable(int index) {
  return command.environment[static_cast<size_t>(index)].c_str();
}
