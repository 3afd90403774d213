// SPDX-License-Identifier: Apache-2.0
#include "zygote.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.hpp"

namespace berth::process {
namespace {

// Much more than any import takes on a busy machine; then something hangs.
constexpr uint64_t kWarmUpMs = 120'000;
constexpr uint64_t kForkMs = 30'000;
constexpr uint64_t kFirstPauseMs = 200;
constexpr uint64_t kLongestPauseMs = 60'000;
// One that served so long has died of something new, not of what ended the one before.
constexpr uint64_t kHealthyNs = 30'000'000'000;
constexpr size_t kKeptOutput = 1024;

// Namespaces, mounts and host names; the function's ids; the capability sets; the loopback.
constexpr int kCapabilities[] = {CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_NET_ADMIN};

[[noreturn]] void run_zygote(const std::vector<std::string>& argv, int control, int output) {
  const sched_param ordinary{};
  ::sched_setscheduler(0, SCHED_OTHER, &ordinary);
  ::setsid();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  // Copies above the fixed number first, so that no dup2 overwrites what is still needed.
  const int high_control = ::fcntl(control, F_DUPFD_CLOEXEC, 64);
  const int high_output = ::fcntl(output, F_DUPFD_CLOEXEC, 64);
  if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(high_output, 1) < 0 || ::dup2(high_output, 2) < 0 ||
      ::dup2(high_control, kControlFd) < 0) {
    ::_exit(125);
  }
  sys::close_range(3, kControlFd - 1);
  sys::close_range(kControlFd + 1, ~0u);
  // Modules ask for the name when they are imported, and keep it.
  if (::sethostname(kHostname, sizeof(kHostname) - 1) != 0 || ::setdomainname("", 0) != 0) {
    ::_exit(125);
  }
  for (int capability = 0; capability < 64; ++capability) {
    if (std::find(std::begin(kCapabilities), std::end(kCapabilities), capability) ==
        std::end(kCapabilities)) {
      ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
  // What the plugin gives a function that says nothing else; others are not forked.
  static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", home[] = "HOME=/tmp",
              lang[] = "LANG=C.UTF-8";
  char* const environment[] = {path, home, lang, nullptr};
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execve(words[0], words.data(), environment);
  ::dprintf(2, "cannot execute %s: %s\n", words[0], std::strerror(errno));
  ::_exit(127);
}

// What about the warm process would make its forks other than fresh processes, or one another's
// business; empty if nothing.
std::string objection_to(const HostView& host, pid_t pid) {
  int error = 0;
  const std::string directory = std::to_string(pid);
  const std::string status =
      sys::read_file_at(host.proc.get(), (directory + "/status").c_str(), error);
  const size_t at = status.find("\nThreads:");
  if (at == std::string::npos) return "its threads cannot be counted";
  if (std::strtol(status.c_str() + at + 9, nullptr, 10) != 1) {
    return "a module that it imports starts threads, which no fork would have";
  }
  const std::string maps = sys::read_file_at(host.proc.get(), (directory + "/maps").c_str(), error);
  if (maps.size() < 4) return "its memory cannot be looked at";
  // "FROM-TO rwxs ...": the C library shares files for reading only.
  for (size_t mode = maps.find(' '); mode < maps.size() - 4;) {
    if (maps[mode + 2] == 'w' && maps[mode + 4] == 's') {
      return "a module that it imports shares memory, which all forks would have in common";
    }
    const size_t end = maps.find('\n', mode);
    mode = end == std::string::npos ? end : maps.find(' ', end);
  }
  return {};
}

}  // namespace

Zygote::Zygote(Loop& loop, const HostView& host, ZygoteSettings settings, bool own_network,
               std::function<void()> changed)
    : loop_(loop),
      host_(host),
      settings_(std::move(settings)),
      own_network_(own_network),
      changed_(std::move(changed)) {}

Zygote::~Zygote() {
  loop_.cancel(retry_timer_);
  for (auto& [serial, process] : processes_) {
    loop_.cancel(process->deadline);
    loop_.unwatch(process->control.get());
    loop_.unwatch(process->output.get());
    loop_.unwatch(process->process.pidfd.get());
    sys::pidfd_send_signal(process->process.pidfd.get(), SIGKILL);
    // It dies at once: it holds nothing that the kernel would wait for.
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(process->process.pidfd.get()), &info, WEXITED) !=
               0 &&
           errno == EINTR) {
    }
  }
}

bool Zygote::owns(pid_t pid) const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [pid](const auto& p) { return p.second->process.pid == pid; });
}

bool Zygote::busy() const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [](const auto& p) { return !p.second->asked.empty(); });
}

Zygote::Process* Zygote::find(uint64_t serial) {
  const auto it = processes_.find(serial);
  return it == processes_.end() ? nullptr : it->second.get();
}

void Zygote::wake() {
  if (awake_) return;
  awake_ = true;
  if (auto s = start(); !s.ok()) {
    problem_ = s.message();
    retry();
  }
}

sdk::Status Zygote::start() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return from_errno("cannot create a socket pair", errno);
  }
  auto process = std::make_unique<Process>();
  process->control.reset(pair[0]);
  const UniqueFd control(pair[1]);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  process->output.reset(pipe[0]);
  const UniqueFd output(pipe[1]);
  ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  int pidfd = -1;
  const uint64_t flags = CLONE_NEWUTS | (own_network_ ? CLONE_NEWNET : 0);
  const int64_t pid = sys::clone_process(flags, pidfd, -1);
  if (pid < 0) return from_errno("cannot start a zygote", static_cast<int>(-pid));
  if (pid == 0) run_zygote(settings_.argv, control.get(), output.get());
  process->process.pid = static_cast<pid_t>(pid);
  process->process.pidfd.reset(pidfd);
  process->serial = next_ = next_serial_++;
  const uint64_t serial = process->serial;
  loop_.watch(process->control.get(), EPOLLIN, [this, serial](uint32_t) { on_control(serial); });
  loop_.watch(process->output.get(), EPOLLIN, [this, serial](uint32_t) { on_output(serial); });
  loop_.watch(pidfd, EPOLLIN, [this, serial](uint32_t) { on_ended(serial); });
  process->deadline = loop_.after_ms(kWarmUpMs, [this, serial] {
    if (Process* p = find(serial)) kill(*p, "it did not get ready in time");
  });
  processes_.emplace(serial, std::move(process));
  return {};
}

sdk::Status Zygote::fork(const ShellSetup& setup, bool privileged, OnForked done) {
  Process* process = find(current_);
  if (process == nullptr) return sdk::unavailable("there is no zygote");
  Fork fork;
  fork.serial = next_fork_++;
  fork.has_network = setup.network >= 0;
  fork.new_network = setup.new_network;
  fork.has_v2_cgroup = setup.v2_cgroup >= 0;
  fork.privileged = privileged;
  fork.writable_bytes = setup.mounts.writable_bytes;
  fork.writable_inodes = setup.mounts.writable_inodes;
  fork.open_files = setup.open_files;
  fork.filter = *setup.filter;
  std::vector<int> fds{setup.control, setup.output, setup.errors};
  if (fork.has_network) fds.push_back(setup.network);
  if (fork.has_v2_cgroup) fds.push_back(setup.v2_cgroup);
  fds.insert(fds.end(), setup.v1_tasks.begin(), setup.v1_tasks.end());
  Writer packet;
  packet.u8('F');
  encode(packet, fork);
  if (const int e = send_packet(process->control.get(), packet.bytes(), fds); e != 0) {
    return from_errno("cannot ask the zygote for a sandbox", e);
  }
  // What it was asked before is waited for already, however often it is asked.
  if (process->asked.empty()) await_answer(*process);
  process->asked.emplace(fork.serial, std::move(done));
  if (++process->forks >= settings_.renew_after && next_ == 0 && retry_timer_ == 0 && !given_up_) {
    // Forks of one zygote share the seed of their hashes and the layout of their memory: a fresh
    // one takes over in time.
    if (auto s = start(); !s.ok()) {
      problem_ = s.message();
      ++failures_;
      retry();
    }
  }
  return {};
}

void Zygote::await_answer(Process& process) {
  loop_.cancel(process.deadline);
  process.deadline = loop_.after_ms(kForkMs, [this, serial = process.serial] {
    if (Process* p = find(serial); p != nullptr && !p->asked.empty()) {
      kill(*p, "it does not answer");
    }
  });
}

void Zygote::on_control(uint64_t serial) {
  for (Process* process = find(serial); process != nullptr; process = find(serial)) {
    std::string packet;
    std::vector<UniqueFd> fds;
    const Received received = receive_packet(process->control.get(), packet, fds);
    if (received == Received::kNothing) return;
    if (received != Received::kPacket) {
      loop_.unwatch(process->control.get());  // its end follows
      return;
    }
    if (!handle(*process, packet)) {
      kill(*process, "it speaks nonsense");
      return;
    }
  }
}

bool Zygote::handle(Process& process, const std::string& packet) {
  const std::string_view rest = std::string_view(packet).substr(1);
  if (packet[0] == 'R' && process.serial == next_) {
    Reader reader(rest);
    take_over(process, reader);
    return true;
  }
  if (packet[0] == 'E') {
    kill(process, std::string(rest));
    return true;
  }
  if (packet[0] != 'P') return false;
  Reader reader(rest);
  Forked forked;
  if (!decode(reader, forked)) return false;
  auto node = process.asked.extract(forked.serial);
  if (node.empty()) return false;
  if (!process.asked.empty()) {
    await_answer(process);
  } else {
    loop_.cancel(process.deadline);
    // A retired one has done its last.
    if (process.serial != current_) {
      loop_.unwatch(process.control.get());
      process.control.reset();
    }
  }
  if (forked.pid <= 0) {
    node.mapped()(from_errno("the zygote cannot fork", -forked.pid), {});
    return true;
  }
  ShellProcess shell;
  shell.pid = forked.pid;
  // Ours alone to wait for, so the number cannot be another's by now.
  const int pidfd = sys::pidfd_open(forked.pid);
  if (pidfd < 0) {
    if (pidfd != -ESRCH) {
      ::kill(forked.pid, SIGKILL);
      while (::waitpid(forked.pid, nullptr, __WALL) < 0 && errno == EINTR) {
      }
    }
    node.mapped()(from_errno("cannot watch a new sandbox", -pidfd), {});
    return true;
  }
  shell.pidfd.reset(pidfd);
  node.mapped()({}, std::move(shell));
  return true;
}

void Zygote::take_over(Process& process, Reader& reader) {
  // The files of the runtimes may be newer than this program, which outlives upgrades.
  const uint32_t version = reader.u32();
  const std::string missing = reader.text();
  if (!reader.ok() || version != kProtocolVersion) {
    given_up_ = true;
    return kill(process,
                "it is of another version than berth-sandboxer, which outlives upgrades (" +
                    std::to_string(version) + ", not " + std::to_string(kProtocolVersion) +
                    "), and is not tried again: stop all sandboxes, so that berth-sandboxer ends, "
                    "to have it");
  }
  if (std::string objection = objection_to(host_, process.process.pid); !objection.empty()) {
    return kill(process, std::move(objection));
  }
  loop_.cancel(process.deadline);
  process.ready_at_ns = sys::monotonic_ns();
  next_ = 0;
  retire(std::exchange(current_, process.serial));
  ++starts_;
  problem_ = missing.empty() ? "" : "it could not import " + missing;
  if (!missing.empty()) {
    std::fprintf(stderr, "zygote of %s: %s\n", settings_.runtime.c_str(), problem_.c_str());
  }
  changed_();
}

// It finishes what it was asked for; then the end of its control socket ends it.
void Zygote::retire(uint64_t serial) {
  Process* process = find(serial);
  if (process == nullptr || !process->asked.empty()) return;
  loop_.unwatch(process->control.get());
  process->control.reset();
}

void Zygote::on_output(uint64_t serial) {
  Process* process = find(serial);
  if (process == nullptr) return;
  char chunk[4096];
  const ssize_t n = ::read(process->output.get(), chunk, sizeof(chunk));
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return loop_.unwatch(process->output.get());
  process->said.append(chunk, static_cast<size_t>(n));
  if (process->said.size() > kKeptOutput) {
    process->said.erase(0, process->said.size() - kKeptOutput);
  }
}

void Zygote::kill(Process& process, std::string why) {
  if (process.killed_for.empty()) process.killed_for = std::move(why);
  sys::pidfd_send_signal(process.process.pidfd.get(), SIGKILL);
}

void Zygote::on_ended(uint64_t serial) {
  // Answers that are still on their way are as good as any.
  on_control(serial);
  Process* process = find(serial);
  if (process == nullptr) return;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(process->process.pidfd.get()), &info,
               WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return;
  }
  on_output(serial);
  const auto node = processes_.extract(serial);
  loop_.cancel(process->deadline);
  loop_.unwatch(process->control.get());
  loop_.unwatch(process->output.get());
  loop_.unwatch(process->process.pidfd.get());
  const bool was_current = current_ == serial, was_next = next_ == serial;
  if (was_current) current_ = 0;
  if (was_next) next_ = 0;
  if (was_current || was_next) {
    std::string& said = process->killed_for.empty() ? process->said : process->killed_for;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    problem_ = "it ended (" + std::string(info.si_code == CLD_EXITED ? "exit " : "signal ") +
               std::to_string(info.si_status) + ")" +
               (said.empty() ? "" : ": " + said.substr(said.rfind('\n') + 1));
    std::fprintf(stderr, "zygote of %s: %s\n", settings_.runtime.c_str(), problem_.c_str());
    const bool healthy =
        process->ready_at_ns != 0 && sys::monotonic_ns() - process->ready_at_ns > kHealthyNs;
    failures_ = healthy ? 0 : failures_ + 1;
    if (next_ == 0) retry();
  }
  changed_();
  for (auto& [fork, done] : process->asked) done(sdk::unavailable("the zygote ended"), {});
}

void Zygote::retry() {
  if (given_up_) return;
  loop_.cancel(retry_timer_);
  const uint64_t pause = std::min(kFirstPauseMs << std::min(failures_, 16u), kLongestPauseMs);
  retry_timer_ = loop_.after_ms(pause, [this] {
    retry_timer_ = 0;
    if (next_ != 0) return;
    if (auto s = start(); !s.ok()) {
      problem_ = s.message();
      ++failures_;
      retry();
    }
  });
}

}  // namespace berth::process
