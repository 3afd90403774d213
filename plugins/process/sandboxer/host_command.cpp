// SPDX-License-Identifier: Apache-2.0
#include "host_command.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.hpp"

namespace berth::process {
namespace {

constexpr size_t kMaxOutput = 4 << 20;

[[noreturn]] void execute(const HostView& host, const std::vector<std::string>& argv, int input,
                          int output) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C";
  char* const environment[] = {path, language, nullptr};
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0 ||
      ::setns(host.mount_namespace.get(), CLONE_NEWNS) != 0) {
    ::_exit(126);
  }
  sys::close_range(3, ~0u);
  ::execve(words[0], words.data(), environment);
  ::_exit(127);
}

}  // namespace

bool read_all(int fd, int ms, size_t most, std::string& output) {
  const uint64_t end = sys::monotonic_ns() + static_cast<uint64_t>(ms) * 1'000'000;
  char chunk[4096];
  while (true) {
    const uint64_t now = sys::monotonic_ns();
    if (now >= end) return false;
    pollfd wait{fd, POLLIN, 0};
    const int polled = ::poll(&wait, 1, static_cast<int>((end - now) / 1'000'000) + 1);
    if (polled < 0 && errno != EINTR) return false;
    if (polled <= 0) continue;
    const ssize_t n = ::read(fd, chunk, sizeof(chunk));
    if (n == 0) return true;
    if (n < 0 && errno != EINTR) return false;
    if (n > 0 && output.size() < most) output.append(chunk, static_cast<size_t>(n));
  }
}

std::string find_host_program(const HostView& host, const std::string& name) {
  for (const char* directory : {"usr/sbin/", "usr/bin/", "sbin/", "bin/", "usr/local/sbin/"}) {
    // Links are to be followed as the host would.
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT;
    const std::string path = directory + name;
    const UniqueFd file(
        static_cast<int>(::syscall(SYS_openat2, host.root.get(), path.c_str(), &how, sizeof(how))));
    if (file.valid()) return "/" + path;
  }
  return {};
}

sdk::Status run_host_program(const HostView& host, const std::vector<std::string>& argv,
                             std::string_view input, std::string& output) {
  output.clear();
  const UniqueFd given(::memfd_create("input", MFD_CLOEXEC));
  if (!given.valid() ||
      ::pwrite(given.get(), input.data(), input.size(), 0) != static_cast<ssize_t>(input.size())) {
    return from_errno("cannot write for " + argv[0], errno);
  }
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  const UniqueFd read_end(pipe[0]);
  UniqueFd write_end(pipe[1]);
  int pidfd = -1;
  const int64_t pid = sys::clone_process(0, pidfd, -1);
  if (pid < 0) return from_errno("cannot start " + argv[0], static_cast<int>(-pid));
  if (pid == 0) execute(host, argv, given.get(), write_end.get());
  const UniqueFd child(pidfd);
  write_end.reset();
  if (!read_all(read_end.get(), kHostProgramMs, kMaxOutput, output)) {
    sys::pidfd_send_signal(child.get(), SIGKILL);
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
  if (info.si_code == CLD_EXITED && info.si_status == 0) return {};
  const std::string said = output.substr(0, output.find('\n'));
  return sdk::failed_precondition(
      argv[0] + " failed (" + (info.si_code == CLD_EXITED ? "exit " : "signal ") +
      std::to_string(info.si_status) + ")" + (said.empty() ? "" : ": " + said));
}

}  // namespace berth::process
