// SPDX-License-Identifier: Apache-2.0
#include "cgroup.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys.hpp"

namespace berth::process {
namespace {

// The leaf into which a delegated v2 group's own processes are moved, since a v2 group with
// controllers for its children may hold no processes itself.
constexpr std::string_view kSupervisor = "berth-supervisor";
constexpr uint64_t kQuotaPeriodUs = 100'000;

bool has_word(const std::string& text, std::string_view word) {
  size_t at = 0;
  while ((at = text.find(word, at)) != std::string::npos) {
    const bool starts = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\n';
    const size_t end = at + word.size();
    const bool ends = end == text.size() || text[end] == ' ' || text[end] == '\n';
    if (starts && ends) return true;
    at = end;
  }
  return false;
}

uint64_t value_of(const std::string& text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      uint64_t value = 0;
      std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
      return value;
    }
    at = end + 1;
  }
  return 0;
}

bool delegated(const std::string& directory) {
  char value[4] = {};
  for (const char* name : {"trusted.delegate", "user.delegate"}) {
    if (::getxattr(directory.c_str(), name, value, sizeof(value)) == 1 && value[0] == '1')
      return true;
  }
  struct stat info {};
  return ::geteuid() != 0 && ::stat(directory.c_str(), &info) == 0 && info.st_uid == ::geteuid();
}

void move_processes(const std::string& from, const std::string& to) {
  int error = 0;
  const std::string list = sys::read_file_at(AT_FDCWD, (from + "/cgroup.procs").c_str(), error);
  size_t at = 0;
  while (at < list.size()) {
    const size_t end = std::min(list.find('\n', at), list.size());
    sys::write_file_at(AT_FDCWD, (to + "/cgroup.procs").c_str(),
                       std::string_view(list).substr(at, end - at));
    at = end + 1;
  }
}

// One round of killing and removing below a base directory; true if nothing is left.
bool remove_groups(const std::string& base) {
  DIR* dir = ::opendir(base.c_str());
  if (dir == nullptr) return true;
  bool left = false;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const std::string group = base + "/" + entry->d_name;
    if (::rmdir(group.c_str()) == 0) continue;
    left = true;
    // Whichever of the two exists: a frozen process on v1 does not die.
    sys::write_file_at(AT_FDCWD, (group + "/cgroup.freeze").c_str(), "0");
    sys::write_file_at(AT_FDCWD, (group + "/freezer.state").c_str(), "THAWED");
    int error = 0;
    const std::string pids = sys::read_file_at(AT_FDCWD, (group + "/cgroup.procs").c_str(), error);
    size_t at = 0;
    while (at < pids.size()) {
      pid_t pid = 0;
      const size_t end = std::min(pids.find('\n', at), pids.size());
      std::from_chars(pids.data() + at, pids.data() + end, pid);
      if (pid > 1) ::kill(pid, SIGKILL);
      at = end + 1;
    }
  }
  ::closedir(dir);
  return !left;
}

// v1's range 2..262144 onto v2's 1..10000, 1024 near the default of 100 in spirit: linear, as the
// container engines do it.
uint64_t weight_of(uint32_t shares) {
  const uint64_t clamped = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (clamped - 2) * 9999 / 262142;
}

}  // namespace

int Cgroups::add_base(const std::string& path, bool v2) {
  for (size_t i = 0; i < bases_.size(); ++i) {
    if (bases_[i].path == path) return static_cast<int>(i);
  }
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
    problems_.push_back(path + ": " + std::strerror(errno));
    return -1;
  }
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The directory may stand there from a more powerful run of ours.
  if (!fd.valid() || ::faccessat(fd.get(), ".", W_OK, AT_EACCESS) != 0) {
    problems_.push_back(path + ": " + std::strerror(errno));
    return -1;
  }
  UniqueFd parent(
      ::open(path.substr(0, path.rfind('/')).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  bases_.push_back({std::move(fd), std::move(parent), path, v2});
  return static_cast<int>(bases_.size() - 1);
}

// Turns the controllers on for the children of `directory` and returns "+memory +pids ..." of those
// that are.
std::string Cgroups::enable_v2_controllers(const std::string& directory) {
  int error = 0;
  const std::string offered =
      sys::read_file_at(AT_FDCWD, (directory + "/cgroup.controllers").c_str(), error);
  const std::string switch_file = directory + "/cgroup.subtree_control";
  std::string enabled;
  for (const char* controller : {"memory", "pids", "cpu"}) {
    if (!has_word(offered, controller)) continue;
    const std::string enable = std::string("+") + controller;
    int failed = sys::write_file_at(AT_FDCWD, switch_file.c_str(), enable);
    if (failed == EBUSY && delegated(directory)) {
      const std::string leaf = directory + "/" + std::string(kSupervisor);
      if (::mkdir(leaf.c_str(), 0755) == 0 || errno == EEXIST) {
        move_processes(directory, leaf);
        failed = sys::write_file_at(AT_FDCWD, switch_file.c_str(), enable);
      }
    }
    if (failed == 0) {
      enabled.append(enabled.empty() ? "" : " ").append(enable);
    } else {
      problems_.push_back("cannot enable " + std::string(controller) + " in " + switch_file + ": " +
                          std::strerror(failed));
    }
  }
  return enabled;
}

void Cgroups::open_v2(const CgroupHierarchy& hierarchy, const std::string& name) {
  std::string parent = hierarchy.directory;
  const size_t slash = parent.rfind('/');
  if (parent.substr(slash + 1) == kSupervisor) parent.erase(slash);
  std::string enabled = enable_v2_controllers(parent);
  if (enabled.find("memory") == std::string::npos && ::geteuid() == 0 &&
      !hierarchy.mount_point.empty() && hierarchy.mount_point != parent) {
    const std::string at_top = enable_v2_controllers(hierarchy.mount_point);
    if (at_top.size() > enabled.size()) {
      enabled = at_top;
      parent = hierarchy.mount_point;
    }
  }
  const int base = add_base(parent + "/" + name, true);
  if (base < 0) return;
  const int base_fd = bases_[static_cast<size_t>(base)].fd.get();
  if (!enabled.empty()) sys::write_file_at(base_fd, "cgroup.subtree_control", enabled);
  int error = 0;
  const std::string active = sys::read_file_at(base_fd, "cgroup.subtree_control", error);
  if (memory_ < 0 && has_word(active, "memory")) memory_ = base;
  if (pids_ < 0 && has_word(active, "pids")) pids_ = base;
  if (cpu_ < 0 && has_word(active, "cpu")) cpu_ = base;
  // cgroup.freeze needs no controller but Linux 5.2.
  if (::faccessat(base_fd, "cgroup.freeze", W_OK, AT_EACCESS) == 0) {
    freezer_ = base;
    freezer_v2_ = true;
  }
}

void Cgroups::open(const std::vector<CgroupHierarchy>& hierarchies, const std::string& name) {
  for (const auto& h : hierarchies) {
    if (h.v2) open_v2(h, name);
  }
  for (const auto& h : hierarchies) {
    if (h.v2) continue;
    const auto has = [&](const char* c) {
      return std::find(h.controllers.begin(), h.controllers.end(), c) != h.controllers.end();
    };
    const bool wanted = (memory_ < 0 && has("memory")) || (pids_ < 0 && has("pids")) ||
                        (cpu_ < 0 && has("cpu")) || (freezer_ < 0 && has("freezer"));
    if (!wanted) continue;
    const int base = add_base(h.directory + "/" + name, false);
    if (base < 0) continue;
    if (memory_ < 0 && has("memory")) {
      memory_ = base;
      // Before Linux 5.11 a group's limit did not count its children unless told to.
      sys::write_file_at(bases_[static_cast<size_t>(base)].fd.get(), "memory.use_hierarchy", "1");
    }
    if (pids_ < 0 && has("pids")) pids_ = base;
    if (cpu_ < 0 && has("cpu")) cpu_ = base;
    if (freezer_ < 0 && has("freezer")) freezer_ = base;
  }
  if (const Base* m = role(memory_)) {
    const char* file = m->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
    swap_limited_ = ::faccessat(m->fd.get(), file, F_OK, 0) == 0;
  }
}

void Cgroups::remove_stale(const std::vector<std::string>& base_paths, int timeout_ms) {
  const uint64_t deadline = sys::monotonic_ns() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
  for (const auto& path : base_paths) {
    while (!remove_groups(path) && sys::monotonic_ns() < deadline) ::usleep(2000);
    ::rmdir(path.c_str());
  }
}

void Cgroups::remove_base() {
  for (const auto& base : bases_) {
    ::unlinkat(base.parent.get(), base.path.substr(base.path.rfind('/') + 1).c_str(), AT_REMOVEDIR);
  }
}

std::vector<std::string> Cgroups::base_paths() const {
  std::vector<std::string> paths;
  for (const auto& base : bases_) paths.push_back(base.path);
  return paths;
}

Enforcement Cgroups::enforcement() const {
  Enforcement e;
  e.pause = freezer_ >= 0;
  e.memory = memory_ >= 0;
  e.cpu = cpu_ >= 0;
  e.pids = pids_ >= 0;
  if (const Base* f = role(freezer_)) {
    e.freezer = f->path;
    e.freezer_v2 = f->v2;
  }
  std::string missing;
  const auto add = [&](bool have, const char* what) {
    if (!have) missing.append(missing.empty() ? "" : ", ").append(what);
  };
  add(e.memory, "memory limit");
  add(e.cpu, "cpu limit");
  add(e.pids, "pids limit");
  add(e.pause, "pause");
  if (!missing.empty()) {
    e.detail = "not enforced: " + missing + " (no writable cgroup for it";
    if (!problems_.empty()) e.detail += ": " + problems_.front();
    e.detail += "; run berthd as root or from a systemd unit with Delegate=yes)";
  } else if (!swap_limited_) {
    e.detail = "swap is not limited: this kernel counts no swap per cgroup";
  }
  return e;
}

sdk::Status Cgroups::create(const std::string& group) {
  for (size_t i = 0; i < bases_.size(); ++i) {
    if (::mkdirat(bases_[i].fd.get(), group.c_str(), 0755) == 0) continue;
    const int error = errno;
    for (size_t j = 0; j < i; ++j) ::unlinkat(bases_[j].fd.get(), group.c_str(), AT_REMOVEDIR);
    return from_errno("cannot create the cgroup " + bases_[i].path + "/" + group, error);
  }
  if (const Base* m = role(memory_)) {
    if (m->v2) {
      // The whole sandbox ends when it is out of memory, not just its fattest process.
      sys::write_file_at(m->fd.get(), (group + "/memory.oom.group").c_str(), "1");
      if (swap_limited_) sys::write_file_at(m->fd.get(), (group + "/memory.swap.max").c_str(), "0");
    } else if (!swap_limited_) {
      sys::write_file_at(m->fd.get(), (group + "/memory.swappiness").c_str(), "0");
    }
  }
  return {};
}

bool Cgroups::remove(const std::string& group) {
  bool gone = true;
  for (const auto& base : bases_) {
    if (::unlinkat(base.fd.get(), group.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      gone = false;
  }
  return gone;
}

UniqueFd Cgroups::open_v2(const std::string& group) const {
  for (const auto& base : bases_) {
    if (!base.v2) continue;
    return UniqueFd(::openat(base.fd.get(), group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return {};
}

std::vector<UniqueFd> Cgroups::open_v1_tasks(const std::string& group) const {
  std::vector<UniqueFd> fds;
  for (const auto& base : bases_) {
    if (base.v2) continue;
    fds.emplace_back(::openat(base.fd.get(), (group + "/tasks").c_str(), O_WRONLY | O_CLOEXEC));
  }
  return fds;
}

sdk::Status Cgroups::set_limits(const std::string& group, const CgroupLimits& limits,
                                CgroupLimits& applied) const {
  const auto put = [&](const Base* base, const char* file, const std::string& value) {
    return sys::write_file_at(base->fd.get(), (group + "/" + file).c_str(), value);
  };
  const auto number_or = [](uint64_t value, const char* none) {
    return value == 0 ? std::string(none) : std::to_string(value);
  };
  if (const Base* m = role(memory_); m != nullptr && limits.memory_bytes != applied.memory_bytes) {
    const std::string value = number_or(limits.memory_bytes, m->v2 ? "max" : "-1");
    int error = 0;
    if (m->v2) {
      error = put(m, "memory.max", value);
    } else {
      // memsw may never be below the plain limit: order the two writes by direction.
      const bool raise = limits.memory_bytes == 0 ||
                         (applied.memory_bytes != 0 && limits.memory_bytes > applied.memory_bytes);
      if (raise && swap_limited_) error = put(m, "memory.memsw.limit_in_bytes", value);
      if (error == 0) error = put(m, "memory.limit_in_bytes", value);
      if (error == 0 && !raise && swap_limited_) {
        error = put(m, "memory.memsw.limit_in_bytes", value);
      }
    }
    if (error != 0) return from_errno("cannot set the memory limit to " + value, error);
    applied.memory_bytes = limits.memory_bytes;
  }
  if (const Base* p = role(pids_); p != nullptr && limits.pids != applied.pids) {
    if (int e = put(p, "pids.max", number_or(limits.pids, "max")); e != 0) {
      return from_errno("cannot set the pids limit", e);
    }
    applied.pids = limits.pids;
  }
  if (const Base* c = role(cpu_); c != nullptr) {
    if (limits.cpu_shares != applied.cpu_shares) {
      const int e = c->v2 ? put(c, "cpu.weight", std::to_string(weight_of(limits.cpu_shares)))
                          : put(c, "cpu.shares",
                                std::to_string(std::clamp<uint32_t>(limits.cpu_shares, 2, 262144)));
      if (e != 0) return from_errno("cannot set the cpu shares", e);
      applied.cpu_shares = limits.cpu_shares;
    }
    if (limits.cpu_quota_millis != applied.cpu_quota_millis) {
      // The kernel refuses a quota below one millisecond a period.
      const uint64_t us =
          std::max<uint64_t>(uint64_t{limits.cpu_quota_millis} * kQuotaPeriodUs / 1000, 1000);
      const bool none = limits.cpu_quota_millis == 0;
      const int e =
          c->v2 ? put(c, "cpu.max",
                      (none ? "max" : std::to_string(us)) + " " + std::to_string(kQuotaPeriodUs))
                : put(c, "cpu.cfs_quota_us", none ? "-1" : std::to_string(us));
      if (e != 0) return from_errno("cannot set the cpu quota", e);
      applied.cpu_quota_millis = limits.cpu_quota_millis;
    }
  }
  return {};
}

int Cgroups::freeze(const std::string& group, bool frozen) const {
  const Base* f = role(freezer_);
  if (f == nullptr) return ENOSYS;
  if (f->v2) {
    return sys::write_file_at(f->fd.get(), (group + "/cgroup.freeze").c_str(), frozen ? "1" : "0");
  }
  return sys::write_file_at(f->fd.get(), (group + "/freezer.state").c_str(),
                            frozen ? "FROZEN" : "THAWED");
}

FreezeState Cgroups::freeze_state(const std::string& group) const {
  const Base* f = role(freezer_);
  if (f == nullptr) return FreezeState::kError;
  int error = 0;
  if (f->v2) {
    const std::string events =
        sys::read_file_at(f->fd.get(), (group + "/cgroup.events").c_str(), error);
    if (error != 0) return FreezeState::kError;
    if (value_of(events, "frozen") == 1) return FreezeState::kFrozen;
    const std::string wanted =
        sys::read_file_at(f->fd.get(), (group + "/cgroup.freeze").c_str(), error);
    return !wanted.empty() && wanted[0] == '1' ? FreezeState::kFreezing : FreezeState::kThawed;
  }
  const std::string state =
      sys::read_file_at(f->fd.get(), (group + "/freezer.state").c_str(), error);
  if (error != 0) return FreezeState::kError;
  if (has_word(state, "FROZEN")) return FreezeState::kFrozen;
  return has_word(state, "FREEZING") ? FreezeState::kFreezing : FreezeState::kThawed;
}

UsageReply Cgroups::usage(const std::string& group) const {
  const auto read = [&](const Base& base, const char* file) {
    int error = 0;
    return sys::read_file_at(base.fd.get(), (group + "/" + file).c_str(), error);
  };
  const auto number = [&](const Base& base, const char* file) {
    const std::string text = read(base, file);
    int64_t value = -1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  UsageReply usage;
  if (const Base* m = role(memory_)) {
    usage.memory_bytes = number(*m, m->v2 ? "memory.current" : "memory.usage_in_bytes");
    // The kernel drops these before it kills anybody.
    const auto cached = static_cast<int64_t>(
        value_of(read(*m, "memory.stat"), m->v2 ? "inactive_file" : "total_inactive_file"));
    if (usage.memory_bytes >= 0) {
      usage.memory_bytes = std::max<int64_t>(0, usage.memory_bytes - cached);
    }
  }
  if (const Base* p = role(pids_)) usage.pids = number(*p, "pids.current");
  // v1 counts in a controller that is mostly mounted with cpu; v2 in every group.
  if (const Base* c = role(cpu_); c != nullptr && !c->v2)
    usage.cpu_ns = number(*c, "cpuacct.usage");
  for (const Base& base : bases_) {
    if (usage.cpu_ns >= 0 || !base.v2) continue;
    const std::string text = read(base, "cpu.stat");
    if (!text.empty()) usage.cpu_ns = static_cast<int64_t>(value_of(text, "usage_usec")) * 1000;
  }
  return usage;
}

uint64_t Cgroups::oom_kills(const std::string& group) const {
  const Base* m = role(memory_);
  if (m == nullptr) return 0;
  int error = 0;
  const std::string text = sys::read_file_at(
      m->fd.get(), (group + (m->v2 ? "/memory.events" : "/memory.oom_control")).c_str(), error);
  return value_of(text, "oom_kill");
}

uint64_t Cgroups::refused_forks(const std::string& group) const {
  const Base* p = role(pids_);
  if (p == nullptr) return 0;
  int error = 0;
  return value_of(sys::read_file_at(p->fd.get(), (group + "/pids.events").c_str(), error), "max");
}

UniqueFd Cgroups::watch_oom(const std::string& group) const {
  const Base* m = role(memory_);
  if (m == nullptr || m->v2) return {};
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd control(
      ::openat(m->fd.get(), (group + "/memory.oom_control").c_str(), O_RDONLY | O_CLOEXEC));
  if (!event.valid() || !control.valid()) return {};
  const std::string line = std::to_string(event.get()) + " " + std::to_string(control.get());
  if (sys::write_file_at(m->fd.get(), (group + "/cgroup.event_control").c_str(), line) != 0)
    return {};
  return event;
}

}  // namespace berth::process
