// SPDX-License-Identifier: Apache-2.0
#include "plugin/file_trust.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <memory>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <vector>

#include "base/files.hpp"

namespace berth::plugin {
namespace {

std::string descriptor_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

std::string user_name(uid_t user) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    return fmt::format("{} (uid {})", found->pw_name, user);
  }
  return fmt::format("uid {}", user);
}

// True if `group` is the group that only `owner` is in.
bool is_private_group(uid_t owner, gid_t group) {
  std::vector<char> user_buffer(16384);
  passwd user{};
  passwd* user_found = nullptr;
  if (getpwuid_r(owner, &user, user_buffer.data(), user_buffer.size(), &user_found) != 0 ||
      !user_found || user.pw_gid != group) {
    return false;
  }
  std::vector<char> group_buffer(65536);
  struct group entry {};
  struct group* found = nullptr;
  if (getgrgid_r(group, &entry, group_buffer.data(), group_buffer.size(), &found) != 0 || !found) {
    return false;
  }
  const std::string name = user.pw_name;
  if (name != entry.gr_name) return false;
  for (char** member = entry.gr_mem; *member; ++member) {
    if (name != *member) return false;
  }
  return true;
}

// With a list, the group's bits in the mode are only the upper bound of everybody on the list.
bool has_access_list(int fd) {
  return getxattr(descriptor_path(fd).c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

// What is wrong with who may write here; empty if nothing is.
std::string writers_problem(int fd, const struct stat& info, uid_t user) {
  if (info.st_uid != 0 && info.st_uid != user) {
    return fmt::format("belongs to {}, neither root nor the user who runs Berth",
                       user_name(info.st_uid));
  }
  if (info.st_mode & S_IWOTH) {
    return fmt::format("is writable by everybody (mode {:04o})", info.st_mode & 07777);
  }
  if ((info.st_mode & S_IWGRP) &&
      (has_access_list(fd) || !is_private_group(info.st_uid, info.st_gid))) {
    return fmt::format("is writable by the group {} (mode {:04o})", info.st_gid,
                       info.st_mode & 07777);
  }
  return {};
}

std::string mend_for(const std::string& path, const struct stat& info, uid_t user) {
  if (info.st_uid != 0 && info.st_uid != user) return fmt::format("chown root {}", path);
  return fmt::format("chmod go-w {}", path);
}

std::optional<Refusal> check_directory(int fd, const std::string& path, bool is_parent,
                                       uid_t user) {
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    return Refusal{"directory", fmt::format("{}: {}", path, errno_text(errno)),
                   "make the directory readable"};
  }
  std::string problem = writers_problem(fd, info, user);
  if (problem.empty()) return std::nullopt;
  const bool owner_is_trusted = info.st_uid == 0 || info.st_uid == user;
  if (is_parent && owner_is_trusted && (info.st_mode & S_ISVTX)) return std::nullopt;
  return Refusal{"directory",
                 fmt::format("the {}directory {} {}", is_parent ? "parent " : "", path, problem),
                 mend_for(path, info, user)};
}

}  // namespace

TrustedDirectory open_directory(const std::filesystem::path& directory, uid_t user) {
  TrustedDirectory result;
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(directory.c_str(), nullptr),
                                                         &std::free);
  const auto cannot_open = [&](const std::string& path) {
    result.fd.reset();
    result.refusal = Refusal{
        "directory", fmt::format("cannot open the directory {}: {}", path, errno_text(errno)),
        "make it, or name another one with [plugins] directory or --plugin-dir"};
  };
  if (!real) {
    result.canonical = directory;
    cannot_open(directory.string());
    return result;
  }
  result.canonical = real.get();
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  std::filesystem::path path;
  for (const auto& part : result.canonical) {
    path /= part;
    UniqueFd next(path == "/" ? ::open("/", kFlags)
                              : openat(result.fd.get(), part.c_str(), kFlags));
    if (!next) {
      cannot_open(path.string());
      return result;
    }
    result.fd = std::move(next);
    if (!result.refusal) {
      result.refusal =
          check_directory(result.fd.get(), path.string(), path != result.canonical, user);
    }
  }
  return result;
}

TrustedFile open_file(int directory, const std::string& name, uid_t user) {
  TrustedFile result;
  const auto refuse = [&](std::string detail, std::string mend) {
    if (!result.refusal) result.refusal = Refusal{"file", std::move(detail), std::move(mend)};
  };
  const UniqueFd found(openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!found || fstat(found.get(), &info) != 0) {
    refuse(fmt::format("cannot open it: {}", errno_text(errno)), "check the name and permissions");
    return result;
  }
  if (S_ISLNK(info.st_mode)) {
    refuse("it is a symbolic link", "put the plugin's file itself into the directory");
    return result;
  }
  if (!S_ISREG(info.st_mode)) {
    refuse("it is not a regular file", "remove it from the plugin directory");
    return result;
  }
  // Through the descriptor, so that it is the same file.
  result.fd.reset(::open(descriptor_path(found.get()).c_str(), O_RDONLY | O_CLOEXEC));
  result.size = static_cast<std::uint64_t>(info.st_size);
  if (!result.fd) {
    refuse(fmt::format("cannot read it: {}", errno_text(errno)), "chmod a+r " + name);
    return result;
  }
  if (info.st_mode & (S_ISUID | S_ISGID)) {
    refuse(fmt::format("it has a set-id bit (mode {:04o})", info.st_mode & 07777),
           "chmod ug-s " + name);
  }
  const std::string problem = writers_problem(result.fd.get(), info, user);
  if (!problem.empty()) refuse("it " + problem, mend_for(name, info, user));
  return result;
}

}  // namespace berth::plugin
