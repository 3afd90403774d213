// SPDX-License-Identifier: Apache-2.0
// berth-sandboxer: the parent of all sandboxes of one berthd instance. Started by the process
// plugin, outlives it, and ends by itself once no plugin is connected and no sandbox is left.
//
//   berth-sandboxer --data-dir DIR --runtime-dir DIR --instance NAME [--foreground]
//
// Without --foreground it returns once the socket RUNTIME_DIR/sandboxer.sock accepts clients (exit
// 0) or says on standard error why that will not be (exit 1).
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.hpp"
#include "loop.hpp"
#include "sandboxes.hpp"
#include "server.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// How long a sandboxer nobody talks to stays.
constexpr uint64_t kIdleMs = 30'000;

int serve(Home& home, bool privileged, UniqueFd ready) {
  const auto report = [&](const sdk::Status& status) {
    const std::string text = status.ok() ? "ok" : status.message();
    (void)!::write(ready.get(), text.data(), text.size());
    ready.reset();
    if (!status.ok()) std::fprintf(stderr, "%s\n", text.c_str());
    return status.ok() ? 0 : 1;
  };

  Cgroups cgroups;
  open_cgroups(home, cgroups);
  HostView host;
  if (auto s = open_host_view(host); !s.ok()) return report(s);
  UniqueFd listener;
  if (auto s = listen_at(home, listener); !s.ok()) return report(s);

  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));

  Loop loop;
  const std::string boot_id = sys::random_hex16();
  Server* server = nullptr;
  NetworkPool networks(loop, host, privileged, home.data.get(), home.cgroup_name);
  networks.sweep();
  Sandboxes sandboxes(loop, cgroups, host, privileged, networks, home.data.get(), boot_id,
                      [&](Owner owner, const Died& died) { server->died(owner, died); });
  Server the_server(loop, sandboxes, std::move(listener), boot_id,
                    [&] { ::unlinkat(home.runtime.get(), kSocketName, 0); });
  server = &the_server;
  loop.watch(signal_fd.get(), EPOLLIN, [&](uint32_t) {
    signalfd_siginfo info;
    (void)!::read(signal_fd.get(), &info, sizeof(info));
    the_server.shut_down();
  });
  the_server.start(kIdleMs);
  report({});
  loop.run();
  networks.remove();
  cgroups.remove_base();
  return 0;
}

int usage() {
  std::fprintf(stderr,
               "usage: berth-sandboxer --data-dir DIR --runtime-dir DIR --instance NAME "
               "[--foreground]\n"
               "The parent of the process plugin's sandboxes; berthd starts it.\n");
  return 2;
}

int run(int argc, char** argv) {
  std::string data, runtime, instance;
  bool foreground = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const bool more = i + 1 < argc;
    if (option == "--foreground") {
      foreground = true;
    } else if (option == "--data-dir" && more) {
      data = argv[++i];
    } else if (option == "--runtime-dir" && more) {
      runtime = argv[++i];
    } else if (option == "--instance" && more) {
      instance = argv[++i];
    } else {
      return usage();
    }
  }
  if (data.empty() || runtime.empty() || instance.empty()) return usage();

  // Whoever started us may have left descriptors open; nothing of that is ours to hold for years.
  sys::close_range(3, ~0u);
  // Whatever berthd ignores must not be ignored in sandboxes.
  for (int s = 1; s < NSIG; ++s) ::signal(s, SIG_DFL);
  ::umask(077);
  Home home;
  if (auto s = open_home(data, runtime, instance, home); !s.ok()) {
    std::fprintf(stderr, "berth-sandboxer: %s\n", s.message().c_str());
    return 1;
  }
  UniqueFd ready;
  if (!foreground) {
    int exit_code = 0;
    if (!become_daemon(home, ready, exit_code)) return exit_code;
  }
  // A descriptor for each pipe of each sandbox.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  bool privileged = false;
  if (auto s = take_privileges(privileged); !s.ok()) {
    std::fprintf(stderr, "berth-sandboxer: %s\n", s.message().c_str());
    (void)!::write(ready.get(), s.message().data(), s.message().size());
    return 1;
  }
  return serve(home, privileged, std::move(ready));
}

}  // namespace
}  // namespace berth::process

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// The leak checker looks at /proc when the program ends, and there is none in the sandboxes' root.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "detect_leaks=0";
}
#endif
#endif

int main(int argc, char** argv) {
  return berth::process::run(argc, argv);
}
