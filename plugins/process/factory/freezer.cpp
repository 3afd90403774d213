// SPDX-License-Identifier: Apache-2.0
#include "factory/freezer.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sched.h>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

namespace berth::process {
namespace {

constexpr const char* kFileV1 = "/freezer.state";
constexpr const char* kFileV2 = "/cgroup.freeze";
// Mostly the first look finds it frozen: what sleeps freezes where it is. What runs must be
// scheduled once, perhaps on the processor that this thread has.
constexpr int kLooks = 64;

bool write_text(int file, std::string_view text) {
  return ::pwrite(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

int half_of_descriptors() {
  // More are not counted on.
  rlimit limit{1024, 1024};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1u << 20) / 2);
}

}  // namespace

Freezer::Freezer(const std::string& base, bool v2)
    : base_(base.empty() ? -1 : ::open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
      v2_(v2),
      kept_below_(half_of_descriptors()) {}

UniqueFd Freezer::open(const std::string& group, const char* name, int flags) const {
  if (!base_.valid() || group.empty()) return {};
  return UniqueFd(::openat(base_.get(), (group + name).c_str(), flags | O_CLOEXEC));
}

UniqueFd Freezer::open(const std::string& group) const {
  return open(group, v2_ ? kFileV2 : kFileV1, v2_ ? O_WRONLY : O_RDWR);
}

bool Freezer::freeze(const std::string& group, const UniqueFd& file) const {
  if (!file.valid() || !write_text(file.get(), v2_ ? "1" : "FROZEN")) return false;
  const UniqueFd events = v2_ ? open(group, "/cgroup.events", O_RDONLY) : UniqueFd();
  for (int i = 0; i < kLooks; ++i) {
    char text[256];
    const ssize_t n = ::pread(v2_ ? events.get() : file.get(), text, sizeof(text), 0);
    if (n <= 0) return false;
    const std::string_view state(text, static_cast<size_t>(n));
    if (v2_ ? state.find("frozen 1") != state.npos : state.starts_with("FROZEN")) return true;
    ::sched_yield();
  }
  return false;
}

bool Freezer::thaw(const UniqueFd& file) const {
  return file.valid() && write_text(file.get(), v2_ ? "0" : "THAWED");
}

}  // namespace berth::process
