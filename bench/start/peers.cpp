// SPDX-License-Identifier: Apache-2.0
#include "start/peers.hpp"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <stdexcept>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

#include "bare_start.hpp"

namespace berth::bench {
namespace fs = std::filesystem;

namespace {

// Namespaces, a root with the program alone, no network, limits as a function's: what a sandbox is.
constexpr const char* kBundle = R"({
"ociVersion": "1.0.2",
"process": {"terminal": false, "user": {"uid": 1000, "gid": 1000}, "args": ["/native"], "cwd": "/",
  "env": ["BERTH_LISTEN_FD=3", "PATH=/"], "noNewPrivileges": true,
  "capabilities": {"bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": []},
  "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]},
"root": {"path": "rootfs", "readonly": true}, "hostname": "sandbox",
"mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}],
"linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}],
  "resources": {"memory": {"limit": 268435456}, "pids": {"limit": 1024}}}
})";

constexpr const char* kForwarding = "/proc/sys/net/ipv4/ip_forward";

std::string find_program(const std::string& name) {
  for (const char* directory : {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"}) {
    if (::access((directory + name).c_str(), X_OK) == 0) return directory + name;
  }
  return "";
}

void run(const std::string& command) {
  // What is left of a start is removed; that it is gone already is no error.
  (void)!std::system((command + " >/dev/null 2>&1").c_str());
}

Peer oci_peer(const std::string& program, const std::string& name, const fs::path& native,
              const fs::path& work) {
  const fs::path bundle = work / name;
  for (const char* directory : {"rootfs/proc", "rootfs/dev", "rootfs/tmp"}) {
    fs::create_directories(bundle / directory);
  }
  fs::copy_file(native, bundle / "rootfs/native");
  std::ofstream(bundle / "config.json") << kBundle;
  const std::string state = (work / (name + ".state")).string();
  return {name, [=] {
            static int count = 0;
            const std::string id =
                "berth-bench-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
            const double us = bare_start_us({program, "--root", state, "run", "--preserve-fds", "1",
                                             "--bundle", bundle.string(), id},
                                            work);
            run(program + " --root " + state + " delete --force " + id);
            return us;
          }};
}

void write_to(const fs::path& file, const char* text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? -1 : ::write(fd, text, std::char_traits<char>::length(text));
  ::close(fd);
  if (n < 0) throw std::runtime_error("cannot write to " + file.string());
}

std::string read_from(const fs::path& file) {
  char text[256];
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? -1 : ::read(fd, text, sizeof text);
  ::close(fd);
  return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
}

}  // namespace

std::vector<Peer> installed_peers(const fs::path& native, const fs::path& work) {
  std::vector<Peer> peers;
  if (::geteuid() != 0) return peers;
  if (const std::string bwrap = find_program("bwrap"); !bwrap.empty()) {
    const std::vector<std::string> command = {
        bwrap,        "--ro-bind", native.string(), "/native", "--proc",        "/proc",
        "--dev",      "/dev",      "--tmpfs",       "/tmp",    "--unshare-all", "--die-with-parent",
        "--cap-drop", "ALL",       "/native"};
    peers.push_back({"bwrap", [=] { return bare_start_us(command, work); }});
  }
  for (const char* name : {"crun", "runc"}) {
    const std::string program = find_program(name);
    if (program.empty()) continue;
    Peer peer = oci_peer(program, name, native, work);
    try {
      peer.start_us();
    } catch (const std::runtime_error&) {
      std::fprintf(stderr, "bench_start: %s is installed but starts nothing here\n", name);
      continue;
    }
    peers.push_back(std::move(peer));
  }
  return peers;
}

RawFreezer::RawFreezer() {
  const std::string name = "berth-bench-" + std::to_string(::getpid());
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer"}) {
    const bool v2 = fs::exists(fs::path(root) / "cgroup.controllers");
    if (!v2 && !std::string(root).ends_with("freezer")) continue;
    std::error_code error;
    if (fs::create_directory(fs::path(root) / name, error)) {
      group_ = fs::path(root) / name;
      v2_ = v2;
      break;
    }
  }
  if (group_.empty()) throw std::runtime_error("there is no freezer that we may use");
  child_ = ::fork();
  if (child_ == 0) {
    for (;;) ::pause();
  }
  write_to(group_ / "cgroup.procs", std::to_string(child_).c_str());
  kept_ = ::open(file().c_str(), O_WRONLY | O_CLOEXEC);
}

RawFreezer::~RawFreezer() {
  ::close(kept_);
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
  for (int i = 0; i < 100 && ::rmdir(group_.c_str()) != 0; ++i) ::usleep(10'000);
}

fs::path RawFreezer::file() const {
  return group_ / (v2_ ? "cgroup.freeze" : "freezer.state");
}

void RawFreezer::freeze() {
  write_to(file(), v2_ ? "1" : "FROZEN");
  const auto frozen = [&] {
    return v2_ ? read_from(group_ / "cgroup.events").find("frozen 1") != std::string::npos
               : read_from(group_ / "freezer.state") == "FROZEN\n";
  };
  while (!frozen()) {
  }
}

void RawFreezer::thaw() {
  write_to(file(), v2_ ? "0" : "THAWED");
}

double RawFreezer::pause_resume_us() {
  const auto begin = std::chrono::steady_clock::now();
  freeze();
  thaw();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
      .count();
}

double RawFreezer::resume_us() {
  freeze();
  const auto begin = std::chrono::steady_clock::now();
  thaw();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
      .count();
}

double RawFreezer::write_us() {
  freeze();
  const std::string_view text = v2_ ? "0" : "THAWED";
  const auto begin = std::chrono::steady_clock::now();
  const bool written =
      ::pwrite(kept_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  const auto took = std::chrono::steady_clock::now() - begin;
  if (!written) throw std::runtime_error("cannot write to " + file().string());
  return std::chrono::duration<double, std::micro>(took).count();
}

bool can_nat() {
  return ::geteuid() == 0 && !find_program("nft").empty();
}

KeptForwarding::KeptForwarding() : before_(read_from(kForwarding)) {}

KeptForwarding::~KeptForwarding() {
  if (before_.empty() || read_from(kForwarding) == before_) return;
  try {
    write_to(kForwarding, before_.c_str());
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "bench_start: %s\n", error.what());
  }
}

}  // namespace berth::bench
