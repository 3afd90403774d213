// SPDX-License-Identifier: Apache-2.0
// What happens inside a new sandbox before its program runs. The order matters: mounts and networks
// need the outer user namespace's power, which is given up with unshare(CLONE_NEWUSER); from then
// on the process can change neither its mounts nor its network, whatever it becomes inside.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <memory>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// Sandboxes go before anything else of the host's when memory is short.
constexpr char kOomScore[] = "500";

[[noreturn]] void fail(const sdk::Status& status) {
  send_packet(kControlFd, "E" + status.message());
  ::_exit(125);
}

void require(const sdk::Status& status) {
  if (!status.ok()) fail(status);
}

void require_zero(const char* what, long result) {
  if (result != 0) fail(from_errno(what, result < -1 ? static_cast<int>(-result) : errno));
}

// Blocks until the parent says something; an end-of-file means it is gone.
std::string wait_for_parent(char expected, UniqueFd* listen) {
  // Not cleared: each page of it that is touched is a fault.
  const auto bytes = std::make_unique_for_overwrite<char[]>(kMaxPacket);
  iovec io{bytes.get(), kMaxPacket};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = ::recvmsg(kControlFd, &message, 0);
  } while (n < 0 && errno == EINTR);
  if (n <= 0 || bytes[0] != expected) ::_exit(125);
  const cmsghdr* h = CMSG_FIRSTHDR(&message);
  if (listen != nullptr && h != nullptr && h->cmsg_type == SCM_RIGHTS) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(h), sizeof(fd));
    listen->reset(fd);
  }
  return {bytes.get(), static_cast<size_t>(n)};
}

// Standard input, the two pipes and the control socket, and not one descriptor more.
void arrange_descriptors(const ShellSetup& setup) {
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  // Copies above all the fixed numbers first, so that no dup2 below overwrites what is still
  // needed.
  const int control = ::fcntl(setup.control, F_DUPFD_CLOEXEC, 64);
  const int output = ::fcntl(setup.output, F_DUPFD_CLOEXEC, 64);
  const int errors = ::fcntl(setup.errors, F_DUPFD_CLOEXEC, 64);
  if (null < 0 || control < 0 || output < 0 || errors < 0) ::_exit(125);
  if (::dup3(control, kControlFd, O_CLOEXEC) < 0 || ::dup2(null, 0) < 0 || ::dup2(output, 1) < 0 ||
      ::dup2(errors, 2) < 0) {
    ::_exit(125);
  }
  if (sys::close_range(3, kControlFd - 1) < 0 || sys::close_range(kControlFd + 1, ~0u) < 0) {
    ::_exit(125);
  }
}

void bring_loopback_up() {
  const int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) fail(from_errno("cannot open a socket", errno));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  require_zero("cannot bring the loopback interface up", ::ioctl(s, SIOCSIFFLAGS, &request));
  ::close(s);
}

void set_limit(int resource, rlim_t value) {
  rlimit limit{};
  // Lowering only: an ordinary user may not raise the hard limit again.
  if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0 &&
      limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max) {
    value = limit.rlim_max;
  }
  limit = {value, value};
  require_zero("cannot set a resource limit",
               ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limit));
}

void give_up_power() {
  for (int capability = 0; capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;
  }
  // Refused in a namespace made by an ordinary user, who has no other groups to give up either way
  // that the kernel would let go.
  if (::setgroups(0, nullptr) != 0 && errno != EPERM) fail(from_errno("cannot drop groups", errno));
  require_zero("cannot set the group id", ::setresgid(kInnerId, kInnerId, kInnerId));
  require_zero("cannot set the user id", ::setresuid(kInnerId, kInnerId, kInnerId));
  require_zero("cannot drop capabilities", sys::drop_all_capabilities());
  require_zero("cannot clear ambient capabilities",
               ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  require_zero("cannot set no_new_privs", ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  // After the last change of ids, which would clear it.
  require_zero("cannot tie the sandbox to the sandboxer",
               ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
  // A keyring of its own, so that no key of the sandboxer's session is in reach.
  const int keyring = sys::new_session_keyring();
  if (keyring < 0 && keyring != -ENOSYS) fail(from_errno("cannot create a keyring", -keyring));
}

[[noreturn]] void execute(const ShellCommand& command) {
  std::vector<char*> argv;
  std::vector<char*> environment;
  for (const auto& a : command.argv) argv.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : command.environment) environment.push_back(const_cast<char*>(e.c_str()));
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  ::execve(argv[0], argv.data(), environment.data());
  const int error = errno;
  ::dprintf(2, "berth: cannot execute %s: %s\n", argv[0], std::strerror(error));
  // The shells' convention: 127 not found, 126 found but not executable.
  ::_exit(error == ENOENT ? 127 : 126);
}

}  // namespace

void join_cgroups(const ShellSetup& setup) {
  // A berthd that runs with real-time priority must not lend it to functions; and v1's cpu
  // controller takes no real-time process.
  const sched_param ordinary{};
  ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
  // Before the descriptors are arranged nothing can be reported: kControlFd is not ours yet.
  for (const int tasks : setup.v1_tasks) {
    if (::write(tasks, "0", 1) != 1) {
      send_packet(setup.control, std::string("Ecannot join a cgroup: ") + std::strerror(errno));
      ::_exit(125);
    }
  }
}

bool enter_sandbox(const ShellSetup& setup) {
  int network_error = 0;
  if (setup.network >= 0 && ::setns(setup.network, CLONE_NEWNET) != 0) network_error = errno;
  arrange_descriptors(setup);
  if (network_error != 0) fail(from_errno("cannot join a network namespace", network_error));
  if (setup.new_network) bring_loopback_up();

  // From inside the cgroups, so that they look like the root to the function.
  if (::unshare(CLONE_NEWCGROUP) != 0 && errno != EINVAL) {
    fail(from_errno("cannot create a cgroup namespace", errno));
  }
  ::setsid();
  ::umask(022);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  require(mount_private(setup.mounts));
  require_zero("cannot set the host name", ::sethostname(kHostname, sizeof(kHostname) - 1));
  require_zero("cannot set the domain name", ::setdomainname("", 0));
  sys::write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", kOomScore);
  // A file needs at least a page, and 1 alone also keeps a core_pattern that is a pipe from running
  // the host's crash handler on a function's memory: the kernel's own mark for it.
  set_limit(RLIMIT_CORE, 1);
  set_limit(RLIMIT_NOFILE, setup.open_files);
  set_limit(RLIMIT_MEMLOCK, 64 * 1024);
  set_limit(RLIMIT_MSGQUEUE, 0);
  require_zero("cannot enter /tmp", ::chdir("/tmp"));

  require_zero("cannot create a user namespace", ::unshare(CLONE_NEWUSER));
  if (send_packet(kControlFd, "N") != 0) ::_exit(125);
  const bool at_leisure = wait_for_parent('M', nullptr).size() == 1;
  give_up_power();
  const sock_fprog filter{static_cast<unsigned short>(setup.filter->size()),
                          const_cast<sock_filter*>(setup.filter->data())};
  require_zero("cannot install the system call filter", sys::install_seccomp(&filter));
  return at_leisure;
}

void await_command(ShellCommand& command) {
  if (send_packet(kControlFd, "R") != 0) ::_exit(125);
  UniqueFd listen;
  const std::string packet = wait_for_parent('G', &listen);
  Reader reader(std::string_view(packet).substr(1));
  if (!decode(reader, command) || !listen.valid()) ::_exit(125);
  if (listen.get() == kListenFd) {
    listen.release();
  } else {
    if (::dup2(listen.get(), kListenFd) < 0) ::_exit(125);
    listen.reset();
  }
  if (command.process_limit != 0) set_limit(RLIMIT_NPROC, command.process_limit);
}

void run_shell(const ShellSetup& setup) {
  join_cgroups(setup);
  ShellCommand command;
  enter_sandbox(setup);
  await_command(command);
  execute(command);
}

}  // namespace berth::process
