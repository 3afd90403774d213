// SPDX-License-Identifier: Apache-2.0
#include "daemon.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.hpp"

namespace berth::process {
namespace {

constexpr const char* kLockName = "sandboxer.lock";
constexpr const char* kCgroupsName = "sandboxer.cgroups";
constexpr int kLockWaitMs = 10'000;
constexpr int kStaleWaitMs = 3'000;

sdk::Status open_directory(const std::string& path, UniqueFd& fd) {
  fd.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return from_errno("cannot open " + path, errno);
  return {};
}

// Of a dead one a sandbox that it was just making may still hold everything, for a moment.
bool has_ended(pid_t pid) {
  const UniqueFd process(sys::pidfd_open(pid));
  pollfd ended{process.get(), POLLIN, 0};
  return !process.valid() || ::poll(&ended, 1, 0) == 1;
}

// True if a sandboxer accepts clients there, which one that is ending does not.
bool is_served(const std::string& runtime) {
  sockaddr_un address;
  socklen_t length;
  if (!unix_address(runtime + "/" + kSocketName, address, length)) return false;
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return false;
  // Who listened there; 0 is nobody that we can see.
  ucred listener{};
  socklen_t size = sizeof(listener);
  return ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0 ||
         listener.pid == 0 || !has_ended(listener.pid);
}

bool has_full_id_map() {
  int error = 0;
  const std::string map = sys::read_file_at(AT_FDCWD, "/proc/self/uid_map", error);
  unsigned long inner = 1, outer = 1, count = 0;
  return std::sscanf(map.c_str(), "%lu %lu %lu", &inner, &outer, &count) == 3 && inner == 0 &&
         outer == 0 && count == 4294967295ul;
}

bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective & (1u << (capability % 32))) != 0;
}

}  // namespace

sdk::Status open_home(const std::string& data, const std::string& runtime,
                      const std::string& instance, Home& home) {
  if (auto s = open_directory(data, home.data); !s.ok()) return s;
  if (auto s = open_directory(runtime, home.runtime); !s.ok()) return s;
  home.runtime_path = runtime;
  home.lock.reset(
      ::openat(home.data.get(), kLockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!home.lock.valid()) return from_errno("cannot open " + data + "/" + kLockName, errno);
  for (int waited = 0; ::flock(home.lock.get(), LOCK_EX | LOCK_NB) != 0; waited += 10) {
    if (waited >= kLockWaitMs || is_served(runtime)) {
      int error = 0;
      const std::string pid = sys::read_file_at(home.data.get(), kLockName, error);
      return sdk::failed_precondition("another berth-sandboxer (pid " + pid +
                                      ") serves the data directory " + data);
    }
    ::usleep(10'000);
  }
  const std::string pid = std::to_string(::getpid());
  (void)!::ftruncate(home.lock.get(), 0);
  (void)!::pwrite(home.lock.get(), pid.data(), pid.size(), 0);
  struct stat info {};
  if (::fstat(home.data.get(), &info) != 0) return from_errno("cannot stat " + data, errno);
  // Two instances may carry one name; no two share a directory.
  char suffix[40];
  std::snprintf(suffix, sizeof(suffix), "-%llx-%llx", static_cast<unsigned long long>(info.st_dev),
                static_cast<unsigned long long>(info.st_ino));
  home.cgroup_name = "berth-" + instance + suffix;
  return {};
}

bool become_daemon(const Home& home, UniqueFd& ready, int& exit_code) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) {
    std::perror("berth-sandboxer: pipe");
    exit_code = 1;
    return false;
  }
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);
  const pid_t pid = ::fork();
  if (pid < 0) {
    std::perror("berth-sandboxer: fork");
    exit_code = 1;
    return false;
  }
  if (pid > 0) {
    write_end.reset();
    std::string text;
    char chunk[512];
    ssize_t n;
    while ((n = ::read(read_end.get(), chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
      if (n > 0) text.append(chunk, static_cast<size_t>(n));
    }
    exit_code = text == "ok" ? 0 : 1;
    if (exit_code != 0) {
      std::fprintf(stderr, "berth-sandboxer: %s\n",
                   text.empty() ? "the background process died" : text.c_str());
    }
    return false;
  }
  read_end.reset();
  ::setsid();
  (void)!::chdir("/");
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  UniqueFd log(::openat(home.data.get(), kLogName,
                        O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  ::dup2(null.get(), 0);
  ::dup2(null.get(), 1);
  ::dup2(log.valid() ? log.get() : null.get(), 2);
  const std::string own = std::to_string(::getpid());
  (void)!::ftruncate(home.lock.get(), 0);
  (void)!::pwrite(home.lock.get(), own.data(), own.size(), 0);
  ready = std::move(write_end);
  return true;
}

sdk::Status take_privileges(bool& privileged) {
  privileged = ::geteuid() == 0 && has_full_id_map() && has_capability(CAP_SYS_ADMIN) &&
               has_capability(CAP_SETUID) && has_capability(CAP_SETGID);
  if (privileged) return {};
  const unsigned uid = ::geteuid();
  const unsigned gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return sdk::failed_precondition(
        std::string("cannot create a user namespace: ") + std::strerror(errno) +
        ". Run berthd as root, or allow user namespaces to ordinary users (sysctl "
        "user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, "
        "kernel.apparmor_restrict_unprivileged_userns=0, whichever of them exists)");
  }
  const std::string uids = "0 " + std::to_string(uid) + " 1";
  const std::string gids = "0 " + std::to_string(gid) + " 1";
  int error = sys::write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny");
  if (error == 0) error = sys::write_file_at(AT_FDCWD, "/proc/self/uid_map", uids);
  if (error == 0) error = sys::write_file_at(AT_FDCWD, "/proc/self/gid_map", gids);
  if (error != 0) return from_errno("cannot map ids in a user namespace", error);
  return {};
}

void open_cgroups(const Home& home, Cgroups& cgroups) {
  int error = 0;
  const std::string left = sys::read_file_at(home.data.get(), kCgroupsName, error);
  std::vector<std::string> stale;
  for (size_t at = 0; at < left.size();) {
    const size_t end = std::min(left.find('\n', at), left.size());
    std::string path = left.substr(at, end - at);
    // Only what carries our name, whoever wrote the file.
    if (path.size() > home.cgroup_name.size() && path.ends_with("/" + home.cgroup_name)) {
      stale.push_back(std::move(path));
    }
    at = end + 1;
  }
  const std::string mounts = sys::read_file_at(AT_FDCWD, "/proc/self/mountinfo", error);
  const std::string self = sys::read_file_at(AT_FDCWD, "/proc/self/cgroup", error);
  const auto hierarchies = find_cgroup_hierarchies(mounts, self);
  for (const auto& h : hierarchies) {
    stale.push_back(h.directory + "/" + home.cgroup_name);
    stale.push_back(h.mount_point + "/" + home.cgroup_name);
  }
  Cgroups::remove_stale(stale, kStaleWaitMs);
  cgroups.open(hierarchies, home.cgroup_name);
  std::string paths;
  for (const auto& path : cgroups.base_paths()) paths += path + "\n";
  sys::create_file_at(home.data.get(), kCgroupsName, paths, 0600);
}

sdk::Status listen_at(const Home& home, UniqueFd& listener) {
  const std::string path = home.runtime_path + "/" + kSocketName;
  sockaddr_un address;
  socklen_t length;
  if (!unix_address(path, address, length)) {
    return sdk::failed_precondition("the socket path " + path + " is longer than " +
                                    std::to_string(kMaxSocketPath) +
                                    " bytes: choose a shorter runtime directory");
  }
  listener.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return from_errno("cannot create a socket", errno);
  // We hold the lock, so a socket that stands there is a dead one's.
  ::unlinkat(home.runtime.get(), kSocketName, 0);
  // The umask (077) makes it 0600 from the first moment.
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(listener.get(), 16) != 0) {
    return from_errno("cannot listen at " + path, errno);
  }
  return {};
}

}  // namespace berth::process
