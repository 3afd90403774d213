// SPDX-License-Identifier: Apache-2.0
#include "rootfs.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "sys.hpp"

namespace berth::process {
namespace {

constexpr uint64_t kReadOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr Device kDevices[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}};

// A subtree of the host, taken before the host's tree is covered and attached afterwards.
struct Borrowed {
  std::string inside;
  UniqueFd tree;
  uint64_t attributes;
};

sdk::Status borrow(const std::string& path, const std::string& inside, uint64_t attributes,
                   std::vector<Borrowed>& list) {
  const int fd =
      sys::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (fd < 0) return from_errno("cannot take " + path + " into the sandboxes' root", -fd);
  Borrowed b{inside, UniqueFd(fd), attributes};
  if (attributes != 0) {
    if (int e = sys::set_mount_attributes(fd, "", attributes, true); e < 0) {
      return from_errno("cannot make " + path + " read-only", -e);
    }
  }
  list.push_back(std::move(b));
  return {};
}

sdk::Status make_directory(const std::string& path, mode_t mode = 0755) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return from_errno("cannot create " + path, errno);
  }
  // The umask must not decide what a sandbox can enter.
  if (::chmod(path.c_str(), mode) != 0) return from_errno("cannot set the mode of " + path, errno);
  return {};
}

sdk::Status make_link(const std::string& target, const std::string& path) {
  if (::symlink(target.c_str(), path.c_str()) != 0) {
    return from_errno("cannot create the link " + path, errno);
  }
  return {};
}

// /bin, /sbin, /lib*: links where the host has links, else the directories themselves.
sdk::Status take_top_level(std::vector<Borrowed>& borrowed,
                           std::vector<std::pair<std::string, std::string>>& links) {
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    struct stat info {};
    if (::lstat(path, &info) != 0) continue;
    if (S_ISLNK(info.st_mode)) {
      char target[256];
      const ssize_t n = ::readlink(path, target, sizeof(target));
      if (n > 0) links.emplace_back(std::string(target, static_cast<size_t>(n)), path);
    } else if (S_ISDIR(info.st_mode)) {
      if (auto s = borrow(path, path, kReadOnly, borrowed); !s.ok()) return s;
    }
  }
  return {};
}

sdk::Status make_devices(const std::string& root, bool privileged,
                         std::vector<Borrowed>& borrowed) {
  const std::string dev = root + "/dev";
  for (const auto& d : kDevices) {
    const std::string path = dev + "/" + d.name;
    if (privileged && ::mknod(path.c_str(), S_IFCHR | 0666, makedev(d.major, d.minor)) == 0) {
      ::chmod(path.c_str(), 0666);
      continue;
    }
    // Without CAP_MKNOD the host's own nodes are bound, later, over empty files.
    if (int e = sys::create_file_at(AT_FDCWD, path.c_str(), {}, 0666); e != 0) {
      return from_errno("cannot create " + path, e);
    }
    const int fd = sys::open_tree(AT_FDCWD, (std::string("/dev/") + d.name).c_str(),
                                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0) return from_errno(std::string("cannot take /dev/") + d.name, -fd);
    borrowed.push_back({std::string("/dev/") + d.name, UniqueFd(fd), 0});
    if (int e = sys::set_mount_attributes(fd, "", MOUNT_ATTR_NOSUID, false); e < 0) {
      return from_errno(std::string("cannot make /dev/") + d.name + " nosuid", -e);
    }
  }
  for (const auto& [target, name] :
       {std::pair{"/proc/self/fd", "/fd"}, std::pair{"/proc/self/fd/0", "/stdin"},
        std::pair{"/proc/self/fd/1", "/stdout"}, std::pair{"/proc/self/fd/2", "/stderr"},
        std::pair{"/tmp/.shm", "/shm"}}) {
    if (auto s = make_link(target, dev + name); !s.ok()) return s;
  }
  return {};
}

const char* staging_directory() {
  for (const char* path : {"/tmp", "/run", "/mnt", "/var"}) {
    struct stat info {};
    if (::lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) return path;
  }
  return "/usr";
}

// Runs in a fresh mount namespace; on success its root is the template.
sdk::Status build(const Settings& settings, const std::vector<uint32_t>& servers, bool privileged) {
  // Nothing mounted here may show up on the host, nor the other way round.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return from_errno("cannot make the mount tree private", errno);
  }
  std::vector<Borrowed> borrowed;
  std::vector<std::pair<std::string, std::string>> links;
  if (auto s = borrow("/usr", "/usr", kReadOnly, borrowed); !s.ok()) return s;
  if (auto s = take_top_level(borrowed, links); !s.ok()) return s;
  if (!settings.runtimes_directory.empty()) {
    if (auto s = borrow(settings.runtimes_directory, kRuntimesInside, kReadOnly, borrowed);
        !s.ok()) {
      return s;
    }
  }
  // In a user namespace the kernel lets nobody mount a fresh /proc who does not see a whole one.
  if (!privileged) {
    if (auto s = borrow("/proc", "/proc", 0, borrowed); !s.ok()) return s;
  }

  const std::string root = staging_directory();
  if (::mount("berth", root.c_str(), "tmpfs", MS_NOSUID, "mode=0755,size=16m,nr_inodes=16384") !=
      0) {
    return from_errno("cannot mount a tmpfs for the sandboxes' root", errno);
  }
  for (const char* d :
       {"/usr", "/dev", "/proc", "/tmp", "/var", "/run", "/berth", kRuntimesInside}) {
    if (auto s = make_directory(root + d); !s.ok()) return s;
  }
  if (auto s = make_link("/tmp", root + "/var/tmp"); !s.ok()) return s;
  for (const auto& [target, path] : links) {
    if (auto s = make_link(target, root + path); !s.ok()) return s;
  }
  // A directory and a file to mask parts of /proc with.
  if (auto s = make_directory(root + "/berth/empty", 0555); !s.ok()) return s;
  if (auto s = make_devices(root, privileged, borrowed); !s.ok()) return s;
  if (auto s = write_etc(root, settings.network, servers); !s.ok()) return s;
  for (const auto& b : borrowed) {
    if (b.inside != "/proc" && b.inside.find('/', 1) == std::string::npos) {
      if (auto s = make_directory(root + b.inside); !s.ok()) return s;
    }
    if (int e = sys::move_mount(b.tree.get(), AT_FDCWD, (root + b.inside).c_str(), 0); e < 0) {
      return from_errno("cannot mount " + b.inside + " in the sandboxes' root", -e);
    }
  }
  if (::chdir(root.c_str()) != 0) return from_errno("chdir " + root, errno);
  // The old root lands on top of the new one and is taken away at once with all below it.
  if (int e = sys::pivot_root(".", "."); e < 0) return from_errno("pivot_root", -e);
  if (::umount2(".", MNT_DETACH) != 0) return from_errno("cannot detach the host's root", errno);
  if (::chdir("/") != 0) return from_errno("chdir /", errno);
  if (int e =
          sys::set_mount_attributes(AT_FDCWD, "/", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, false);
      e < 0) {
    return from_errno("cannot make the sandboxes' root read-only", -e);
  }
  return {};
}

// What a builder child says: "ok", or the text of what went wrong.
sdk::Status read_verdict(int pipe) {
  std::string text;
  char chunk[512];
  ssize_t n;
  while ((n = ::read(pipe, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(chunk, static_cast<size_t>(n));
    if (text == "ok") return {};
  }
  if (text.empty()) return sdk::internal("the builder of the sandboxes' root died");
  return sdk::failed_precondition(text);
}

}  // namespace

sdk::Status open_host_view(HostView& host) {
  host.mount_namespace.reset(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  host.root.reset(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  host.proc.reset(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!host.mount_namespace.valid() || !host.root.valid() || !host.proc.valid()) {
    return from_errno("cannot open /proc and /", errno);
  }
  return {};
}

sdk::Status enter_new_template(const HostView& host, const Settings& settings,
                               const std::vector<uint32_t>& servers, bool privileged) {
  int verdict[2];
  int release[2];
  if (::pipe2(verdict, O_CLOEXEC) != 0) return from_errno("pipe", errno);
  UniqueFd verdict_read(verdict[0]), verdict_write(verdict[1]);
  if (::pipe2(release, O_CLOEXEC) != 0) return from_errno("pipe", errno);
  UniqueFd release_read(release[0]), release_write(release[1]);

  int pidfd = -1;
  const int64_t pid = sys::clone_process(0, pidfd, -1);
  if (pid < 0) return from_errno("cannot fork", static_cast<int>(-pid));
  if (pid == 0) {
    release_write.reset();
    sdk::Status status;
    if (::setns(host.mount_namespace.get(), CLONE_NEWNS) != 0 || ::unshare(CLONE_NEWNS) != 0) {
      status = from_errno("cannot create a mount namespace", errno);
    } else {
      status = build(settings, servers, privileged);
    }
    const std::string text = status.ok() ? "ok" : status.message();
    if (::write(verdict_write.get(), text.data(), text.size()) < 0) ::_exit(1);
    // Holds the namespace until the parent has joined it.
    char byte;
    if (status.ok()) (void)!::read(release_read.get(), &byte, 1);
    ::_exit(0);
  }
  UniqueFd child(pidfd);
  verdict_write.reset();
  sdk::Status status = read_verdict(verdict_read.get());
  if (status.ok()) {
    const std::string path = std::to_string(pid) + "/ns/mnt";
    UniqueFd built(::openat(host.proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!built.valid() || ::setns(built.get(), CLONE_NEWNS) != 0) {
      status = from_errno("cannot enter the sandboxes' root", errno);
    }
  }
  release_write.reset();
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(child.get()), &info, WEXITED) != 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace berth::process
