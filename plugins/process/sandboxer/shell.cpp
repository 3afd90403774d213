// SPDX-License-Identifier: Apache-2.0
#include "shell.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/sched.h>

#include "sys.hpp"

namespace berth::process {
void encode(Writer& out, const ShellCommand& command) {
  out.texts(command.argv);
  out.texts(command.environment);
  out.u32(command.process_limit);
}

bool decode(Reader& in, ShellCommand& command) {
  command.argv = in.texts();
  command.environment = in.texts();
  command.process_limit = in.u32();
  return in.ok() && in.at_end() && !command.argv.empty();
}

sdk::Status start_shell(const ShellSetup& setup, ShellProcess& process) {
  int pidfd = -1;
  const uint64_t flags = kShellNamespaces | (setup.new_network ? uint64_t{CLONE_NEWNET} : 0);
  const int64_t pid = sys::clone_process(flags, pidfd, setup.v2_cgroup);
  if (pid < 0) return from_errno("cannot create the sandbox's namespaces", static_cast<int>(-pid));
  if (pid == 0) run_shell(setup);
  process.pid = static_cast<pid_t>(pid);
  process.pidfd.reset(pidfd);
  return {};
}

sdk::Status map_ids(int host_proc, pid_t pid, uint32_t range_start, uint32_t range_size) {
  // Unprivileged, id 0 of the sandboxer's own namespace is the user that runs it.
  const std::string map =
      range_size > 0 ? "0 " + std::to_string(range_start) + " " + std::to_string(range_size)
                     : std::to_string(kInnerId) + " 0 1";
  const std::string directory = std::to_string(pid);
  for (const char* file : {"/uid_map", "/gid_map"}) {
    if (int e = sys::write_file_at(host_proc, (directory + file).c_str(), map); e != 0) {
      return from_errno("cannot map the sandbox's ids to " + map, e);
    }
  }
  return {};
}

}  // namespace berth::process
