// SPDX-License-Identifier: Apache-2.0
#include "docker/freezer.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include "support/unique_fd.hpp"

namespace berth::docker {
namespace {

constexpr std::string_view kRoot = "/sys/fs/cgroup";

struct Hierarchy {
  const char* mount;
  bool v2;
  const char* file;
};
// v2's freezer is the faster one, and on a hybrid host the engine may use either.
constexpr Hierarchy kHierarchies[] = {
    {"", true, "cgroup.freeze"},
    {"/unified", true, "cgroup.freeze"},
    {"/freezer", false, "freezer.state"},
};

// A path of the container's own: its id must be in it, so that nobody else is ever frozen.
bool is_usable(const std::string& directory, const char* file, std::string_view id) {
  return directory.find(id) != std::string::npos &&
         ::access((directory + "/" + file).c_str(), R_OK | W_OK) == 0;
}

// Not empty: on a hybrid host an empty group of the same name would freeze nothing.
bool has_processes(const std::string& directory) {
  std::ifstream file(directory + "/cgroup.procs");
  std::string line;
  return static_cast<bool>(std::getline(file, line)) && !line.empty();
}

// The group of `pid` in a hierarchy: v2 is "0::/path", v1 "6:freezer:/path".
std::string group_of(int pid, bool v2) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() : controllers == "freezer") return line.substr(second + 1);
  }
  return "";
}

}  // namespace

std::optional<Freezer> Freezer::find(std::string_view id, int pid, const std::string& root) {
  if (id.size() < 12) return std::nullopt;
  const std::string base = root.empty() ? std::string(kRoot) : root;
  const std::string text(id);
  for (const Hierarchy& h : kHierarchies) {
    const std::string mount = base + h.mount;
    for (const std::string& group :
         {"/docker/" + text, "/system.slice/docker-" + text + ".scope"}) {
      if (is_usable(mount + group, h.file, id) && has_processes(mount + group)) {
        return Freezer(mount + group, h.v2);
      }
    }
    if (pid > 0) {
      const std::string group = mount + group_of(pid, h.v2);
      if (is_usable(group, h.file, id) && has_processes(group)) return Freezer(group, h.v2);
    }
  }
  return std::nullopt;
}

sdk::Status Freezer::write(const char* file, std::string_view text) const {
  const std::string path = directory_ + "/" + file;
  const support::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return sdk::unavailable("cannot write " + path + ": " + std::strerror(errno));
  }
  return {};
}

std::string Freezer::read(const char* file) const {
  std::ifstream stream(directory_ + "/" + file);
  std::string text, line;
  while (std::getline(stream, line)) text += line + "\n";
  return text;
}

sdk::Status Freezer::freeze() {
  return v2_ ? write("cgroup.freeze", "1") : write("freezer.state", "FROZEN");
}

bool Freezer::frozen() const {
  return v2_ ? read("cgroup.events").find("frozen 1") != std::string::npos
             : read("freezer.state").starts_with("FROZEN");
}

sdk::Status Freezer::thaw() {
  return v2_ ? write("cgroup.freeze", "0") : write("freezer.state", "THAWED");
}

bool Freezer::thawed() const {
  return v2_ ? read("cgroup.freeze").starts_with("0") : read("freezer.state").starts_with("THAWED");
}

}  // namespace berth::docker
