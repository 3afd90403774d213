// SPDX-License-Identifier: Apache-2.0
#include "factory/freezer.hpp"

#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

namespace berth::process {
namespace {

// Mostly the first look finds it frozen.
constexpr int kLooks = 40;

}  // namespace

Freezer::Freezer(const std::string& base, bool v2)
    : base_(base.empty() ? -1 : ::open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), v2_(v2) {}

bool Freezer::write(const std::string& group, const char* text) const {
  if (!base_.valid() || group.empty()) return false;
  const std::string path = group + (v2_ ? "/cgroup.freeze" : "/freezer.state");
  const UniqueFd file(::openat(base_.get(), path.c_str(), O_WRONLY | O_CLOEXEC));
  const auto size = static_cast<ssize_t>(std::strlen(text));
  return file.valid() && ::write(file.get(), text, static_cast<size_t>(size)) == size;
}

bool Freezer::is_frozen(const std::string& group) const {
  const std::string path = group + (v2_ ? "/cgroup.events" : "/freezer.state");
  const UniqueFd file(::openat(base_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  for (int i = 0; file.valid() && i < kLooks; ++i) {
    char text[256];
    const ssize_t n = ::pread(file.get(), text, sizeof(text), 0);
    if (n <= 0) return false;
    const std::string_view state(text, static_cast<size_t>(n));
    if (v2_ ? state.find("frozen 1") != state.npos : state.starts_with("FROZEN")) return true;
  }
  return false;
}

bool Freezer::freeze(const std::string& group) const {
  return write(group, v2_ ? "1" : "FROZEN") && is_frozen(group);
}

bool Freezer::thaw(const std::string& group) const {
  return write(group, v2_ ? "0" : "THAWED");
}

}  // namespace berth::process
