// SPDX-License-Identifier: Apache-2.0
#include "user_nat.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "host_command.hpp"
#include "nat_links.hpp"
#include "nat_rules.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

constexpr const char* kInterface = "tap0";
constexpr uint32_t kOwnServer = 10u << 24 | 2u << 8 | 3;  // slirp4netns answers there
constexpr int kReadyMs = 10'000;

// The host's addresses, which slirp4netns would reach as any program of this user does.
std::vector<uint32_t> local_addresses() {
  std::vector<uint32_t> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* a = list; a != nullptr; a = a->ifa_next) {
    if (a->ifa_addr == nullptr || a->ifa_addr->sa_family != AF_INET) continue;
    found.push_back(ntohl(reinterpret_cast<const sockaddr_in*>(a->ifa_addr)->sin_addr.s_addr));
  }
  ::freeifaddrs(list);
  return found;
}

// In a child: the program, in the host's mount namespace, with these descriptors at 3, 4, ...
[[noreturn]] void execute(const HostView& host, const std::vector<std::string>& argv, int input,
                          int output, const std::vector<int>& fds) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LC_ALL=C";
  char* const environment[] = {path, language, nullptr};
  std::vector<int> high{input, output, host.mount_namespace.get()};
  high.insert(high.end(), fds.begin(), fds.end());
  // Above all the fixed numbers first, so that no dup2 overwrites what is still needed.
  for (int& fd : high) fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 64);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::setns(high[2], CLONE_NEWNS) != 0 || ::dup2(high[0], 0) < 0 || ::dup2(high[1], 1) < 0 ||
      ::dup2(high[1], 2) < 0) {
    ::_exit(126);
  }
  const int last = 3 + static_cast<int>(fds.size());
  for (int i = 3; i < last; ++i) {
    if (::dup2(high[static_cast<size_t>(i)], i) < 0) ::_exit(126);
  }
  sys::close_range(static_cast<unsigned>(last), ~0u);
  ::execve(words[0], words.data(), environment);
  ::_exit(127);
}

}  // namespace

UserNat::UserNat(Loop& loop, const HostView& host) : loop_(loop), host_(host) {}

UserNat::~UserNat() {
  for (auto& [number, pidfd] : helpers_) {
    loop_.unwatch(number);
    sys::pidfd_send_signal(number, SIGKILL);
  }
}

std::vector<uint32_t> UserNat::servers(const NatSettings& settings) {
  return settings.dns.empty() ? std::vector<uint32_t>{kOwnServer} : settings.dns;
}

sdk::Status UserNat::configure(const NatSettings& settings) {
  nft_ = find_host_program(host_, "nft");
  slirp_ = find_host_program(host_, "slirp4netns");
  if (nft_.empty() || slirp_.empty()) {
    return sdk::failed_precondition(
        "network = \"nat\" needs " + std::string(slirp_.empty() ? "slirp4netns" : "nft") +
        ", which is not installed: install the packages slirp4netns and nftables, or run berthd as "
        "root");
  }
  if (::access("/dev/net/tun", F_OK) != 0) {
    // The sandboxes' root has no such device; the host's is what counts.
    if (::faccessat(host_.root.get(), "dev/net/tun", R_OK | W_OK, AT_EACCESS) != 0) {
      return from_errno("network = \"nat\" needs /dev/net/tun", errno);
    }
  }
  settings_ = settings;
  return {};
}

std::string UserNat::rules() const {
  NatRules rules;
  rules.table = "berth";
  rules.allow = settings_.allow;
  rules.deny = settings_.deny;
  rules.dns = servers(settings_);
  std::string text = own_ruleset(rules, local_addresses());
  if (settings_.bandwidth != 0) text += own_limits(rules.table, kInterface, settings_.bandwidth);
  return text;
}

sdk::Status UserNat::make_namespace(UniqueFd& ns) const {
  const std::string script = rules();
  const UniqueFd input(::memfd_create("rules", MFD_CLOEXEC));
  if (!input.valid() || ::pwrite(input.get(), script.data(), script.size(), 0) !=
                            static_cast<ssize_t>(script.size())) {
    return from_errno("cannot write rules", errno);
  }
  int go[2], said[2];
  if (::pipe2(go, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  UniqueFd go_read(go[0]), go_write(go[1]);
  if (::pipe2(said, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  UniqueFd said_read(said[0]), said_write(said[1]);
  int pidfd = -1;
  const int64_t pid = sys::clone_process(CLONE_NEWNET, pidfd, -1);
  if (pid < 0) return from_errno("cannot create a network namespace", static_cast<int>(-pid));
  if (pid == 0) {
    go_write.reset();
    char byte;
    // Not before the namespace is held: it would end with this process.
    if (::read(go_read.get(), &byte, 1) != 1) ::_exit(125);
    sys::write_file_at(host_.proc.get(), "sys/net/ipv6/conf/default/disable_ipv6", "1");
    if (!links::bring_loopback_up().ok()) ::_exit(124);
    execute(host_, {nft_, "-f", "-"}, input.get(), said_write.get(), {});
  }
  const UniqueFd child(pidfd);
  said_write.reset();
  const std::string path = std::to_string(pid) + "/ns/net";
  ns.reset(::openat(host_.proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  const int error = ns.valid() ? 0 : errno;
  if (error == 0) (void)!::write(go_write.get(), "g", 1);
  go_write.reset();
  std::string text;
  if (!read_all(said_read.get(), kReadyMs, 64 << 10, text)) {
    sys::pidfd_send_signal(child.get(), SIGKILL);
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
  if (error != 0) return from_errno("cannot open a network namespace", error);
  if (info.si_code == CLD_EXITED && info.si_status == 0) return {};
  ns.reset();
  return sdk::failed_precondition("cannot set up a sandbox's network: " + nft_ + " ended with " +
                                  std::to_string(info.si_status) + ": " +
                                  text.substr(0, text.find('\n')));
}

sdk::Status UserNat::start_helper(NatLink& link) {
  int alive[2], ready[2];
  if (::pipe2(alive, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  const UniqueFd alive_read(alive[0]);
  link.lifeline.reset(alive[1]);
  if (::pipe2(ready, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  const UniqueFd ready_read(ready[0]);
  UniqueFd ready_write(ready[1]);
  const UniqueFd null(::openat(host_.root.get(), "dev/null", O_RDWR | O_CLOEXEC));
  int pidfd = -1;
  const int64_t pid = sys::clone_process(0, pidfd, -1);
  if (pid < 0) return from_errno("cannot start " + slirp_, static_cast<int>(-pid));
  if (pid == 0) {
    execute(host_,
            {slirp_, "--configure", "--disable-host-loopback", "--exit-fd=3", "--ready-fd=4",
             "--netns-type=path", "/proc/self/fd/5", kInterface},
            null.get(), null.get(), {alive_read.get(), ready_write.get(), link.ns.get()});
  }
  ready_write.reset();
  UniqueFd helper(pidfd);
  pollfd wait{ready_read.get(), POLLIN, 0};
  int polled;
  do {
    polled = ::poll(&wait, 1, kReadyMs);
  } while (polled < 0 && errno == EINTR);
  char byte = 0;
  const bool up = polled == 1 && ::read(ready_read.get(), &byte, 1) == 1;
  if (!up) sys::pidfd_send_signal(pidfd, SIGKILL);
  loop_.watch(pidfd, EPOLLIN, [this, pidfd](uint32_t) {
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
    loop_.unwatch(pidfd);
    helpers_.erase(pidfd);
  });
  helpers_.emplace(pidfd, std::move(helper));
  if (up) return {};
  return sdk::failed_precondition(slirp_ + " does not get a sandbox's network ready");
}

sdk::Status UserNat::make(NatLink& link) {
  auto status = make_namespace(link.ns);
  if (status.ok()) status = start_helper(link);
  if (!status.ok()) {
    link.ns.reset();
    link.lifeline.reset();
  }
  return status;
}

}  // namespace berth::process
