// SPDX-License-Identifier: Apache-2.0
// Finding the cgroup hierarchies from mountinfo and /proc/self/cgroup; pure text work.
#include <algorithm>

#include "cgroup.hpp"

namespace berth::process {
namespace {

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  while (true) {
    const size_t at = text.find(by);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                      (text[i + 3] - '0')));
      i += 3;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

struct SelfGroup {
  std::vector<std::string> controllers;
  std::string path;
  bool v2;
};

std::vector<SelfGroup> parse_self(std::string_view text) {
  std::vector<SelfGroup> groups;
  for (const auto& line : split(text, '\n')) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    groups.push_back({names.empty() ? std::vector<std::string>{} : split(names, ','),
                      line.substr(second + 1), names.empty()});
  }
  return groups;
}

// The group's directory below a mount point whose root within the hierarchy is `root`.
std::string beneath(const std::string& mount_point, const std::string& root,
                    const std::string& group) {
  // A path with ".." lies outside of our cgroup namespace: what is mounted is all we can use.
  if (group.find("/..") != std::string::npos) return mount_point;
  std::string rest = group;
  if (root != "/") {
    if (rest.compare(0, root.size(), root) == 0 &&
        (rest.size() == root.size() || rest[root.size()] == '/')) {
      rest.erase(0, root.size());
    } else {
      rest.clear();
    }
  }
  if (rest == "/") rest.clear();
  return mount_point + rest;
}

}  // namespace

std::vector<CgroupHierarchy> find_cgroup_hierarchies(std::string_view mountinfo,
                                                     std::string_view self_cgroup) {
  const auto groups = parse_self(self_cgroup);
  std::vector<CgroupHierarchy> found;
  for (const auto& line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 10 || fields.end() - dash < 4) continue;
    const std::string& type = *(dash + 1);
    if (type != "cgroup" && type != "cgroup2") continue;
    const bool v2 = type == "cgroup2";
    const auto options = split(*(dash + 3), ',');
    for (const auto& group : groups) {
      if (group.v2 != v2) continue;
      const bool same =
          v2 || std::all_of(group.controllers.begin(), group.controllers.end(),
                            [&](const std::string& c) {
                              return std::find(options.begin(), options.end(), c) != options.end();
                            });
      if (!same) continue;
      const std::string mount_point = unescape(fields[4]);
      CgroupHierarchy h{v2, beneath(mount_point, unescape(fields[3]), group.path), mount_point,
                        group.controllers};
      const auto twin = [&](const CgroupHierarchy& other) {
        return other.v2 == h.v2 && other.controllers == h.controllers;
      };
      // A hierarchy may be mounted more than once; the first place does.
      if (std::none_of(found.begin(), found.end(), twin)) found.push_back(std::move(h));
    }
  }
  return found;
}

}  // namespace berth::process
