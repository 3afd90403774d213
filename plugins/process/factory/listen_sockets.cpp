// SPDX-License-Identifier: Apache-2.0
#include "factory/listen_sockets.hpp"

#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <functional>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/packet_socket.hpp"

namespace berth::process {
namespace {

constexpr std::string_view kSuffix = ".fn";
// "/" + 8 of prefix + "-" + up to 12 digits + suffix.
constexpr size_t kLongestName = 1 + 8 + 1 + 12 + 3;
constexpr int kBacklog = 1024;

bool fits(const std::string& directory) {
  return directory.size() + kLongestName <= kMaxSocketPath;
}

}  // namespace

std::string short_directory(const std::string& directory) {
  if (fits(directory)) return directory;
  char name[64];
  std::snprintf(name, sizeof(name), "/berth-%u-%zx", static_cast<unsigned>(::geteuid()),
                std::hash<std::string>{}(directory));
  const char* parent = ::geteuid() == 0 && ::access("/run", W_OK) == 0 ? "/run" : "/tmp";
  return parent + std::string(name);
}

ListenSockets::~ListenSockets() {
  for (const auto& socket : ready_) ::unlink(socket.path.c_str());
}

sdk::Status ListenSockets::open(const std::string& directory, uint32_t prepared) {
  directory_ = directory;
  prepared_ = prepared;
  if (!fits(directory)) {
    return sdk::failed_precondition("the socket directory " + directory + " is longer than " +
                                    std::to_string(kMaxSocketPath - kLongestName) +
                                    " bytes: set plugin.process.socket_directory to a shorter one");
  }
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno("cannot create the socket directory " + directory, errno);
  }
  struct stat info {};
  if (::lstat(directory.c_str(), &info) != 0) return from_errno("cannot stat " + directory, errno);
  // Whoever can write there could put a socket of his own in place of a function's.
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return sdk::failed_precondition("the socket directory " + directory +
                                    " must be a directory of ours that nobody else can write to");
  }
  uint32_t random = 0;
  (void)!::getrandom(&random, sizeof(random), 0);
  char prefix[16];
  std::snprintf(prefix, sizeof(prefix), "%08x-", random);
  prefix_ = prefix;
  return {};
}

void ListenSockets::remove_stale() {
  DIR* dir = ::opendir(directory_.c_str());
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.size() <= kSuffix.size() || name.compare(0, prefix_.size(), prefix_) == 0 ||
        name.substr(name.size() - kSuffix.size()) != kSuffix) {
      continue;
    }
    ::unlinkat(::dirfd(dir), name.c_str(), 0);
  }
  ::closedir(dir);
}

sdk::Status ListenSockets::make(ListenSocket& socket) {
  uint64_t number;
  {
    const std::lock_guard lock(mutex_);
    number = next_++;
  }
  socket.path = directory_ + "/" + prefix_ + std::to_string(number) + std::string(kSuffix);
  sockaddr_un address;
  socklen_t length;
  if (!unix_address(socket.path, address, length)) {
    return sdk::failed_precondition("the socket path " + socket.path + " is too long");
  }
  socket.fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.fd.valid()) return from_errno("cannot create a socket", errno);
  if (::bind(socket.fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return from_errno("cannot bind " + socket.path, errno);
  }
  // The directory is private already; the mode says it again.
  ::chmod(socket.path.c_str(), 0600);
  if (::listen(socket.fd.get(), kBacklog) != 0) return from_errno("cannot listen", errno);
  return {};
}

sdk::Status ListenSockets::take(ListenSocket& socket) {
  {
    const std::lock_guard lock(mutex_);
    if (!ready_.empty()) {
      socket = std::move(ready_.back());
      ready_.pop_back();
      return {};
    }
  }
  return make(socket);
}

void ListenSockets::refill() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ready_.size() >= prepared_) return;
    }
    ListenSocket socket;
    if (!make(socket).ok()) return;
    const std::lock_guard lock(mutex_);
    ready_.push_back(std::move(socket));
  }
}

}  // namespace berth::process
