// SPDX-License-Identifier: Apache-2.0
#include "serverless_package.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include "base/base64.hpp"
#include "exit_code.hpp"
#include "folder_zip.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxPattern = 1000;  // bytes

// The framework's own, which no function needs, and where keys use to lie.
constexpr std::array<std::string_view, 7> kLeftOut = {
    "serverless.yml",         "serverless.yaml", ".gitignore",  "npm-debug.log",
    ".serverless_plugins/**", "**/.env*",        "**/.wskprops"};

}  // namespace

// All places of the path that the pattern so far may have come to, at once: what a star may stand
// for is never tried one after the other.
bool matches_glob(std::string_view pattern, std::string_view path) {
  std::vector<bool> reached(path.size() + 1, false);
  reached[0] = true;
  while (!pattern.empty()) {
    std::vector<bool> next(path.size() + 1, false);
    if (pattern.starts_with("**/")) {
      bool below = false;  // a folder that began where we had come to
      for (std::size_t at = 0; at <= path.size(); ++at) {
        next[at] = reached[at] || (below && at > 0 && path[at - 1] == '/');
        below = below || reached[at];
      }
      pattern.remove_prefix(3);
    } else if (pattern.front() == '*') {
      const bool deep = pattern.starts_with("**");
      for (std::size_t at = 0; at <= path.size(); ++at) {
        next[at] = reached[at] || (at > 0 && next[at - 1] && (deep || path[at - 1] != '/'));
      }
      pattern.remove_prefix(deep ? 2 : 1);
    } else {
      for (std::size_t at = 0; at < path.size(); ++at) {
        const bool fits = pattern.front() == '?' ? path[at] != '/' : path[at] == pattern.front();
        next[at + 1] = reached[at] && fits;
      }
      pattern.remove_prefix(1);
    }
    reached = std::move(next);
  }
  return reached.back();
}

void PackagePatterns::read(const ProjectNode& package) {
  // As the framework has it: what is left out, what is taken, and then one after the other.
  for (const char* key : {"exclude", "include", "patterns"}) {
    const YamlNode* list = package.find(key);
    if (list == nullptr) continue;
    if (list->kind != YamlNode::Kind::kList) {
      package.fail(*list, std::string("'") + key + "' must be a list of patterns");
    }
    for (const YamlNode& item : list->items) {
      if (!item.scalar.is_string()) package.fail(item, "a pattern must be a text");
      std::string text(item.scalar.get_string());
      bool takes = std::string_view(key) != "exclude";
      if (text.starts_with('!')) {
        takes = !takes;
        text.erase(0, 1);
      }
      if (text.starts_with("./")) text.erase(0, 2);
      if (text.find_first_of("{}[]()") != std::string::npos || text.size() > kMaxPattern) {
        package.fail(item, "'" + text + "' is no pattern of *, ** and ?");
      }
      patterns_.emplace_back(std::move(text), takes);
    }
  }
}

bool PackagePatterns::takes(std::string_view path) const {
  bool taken = std::none_of(kLeftOut.begin(), kLeftOut.end(), [path](std::string_view pattern) {
    return matches_glob(pattern, path);
  });
  for (const auto& [pattern, takes] : patterns_) {
    if (taken != takes && matches_glob(pattern, path)) taken = takes;
  }
  return taken;
}

void zip_service(const ProjectNode& node, const HandlerFile& handler, const fs::path& folder,
                 const PackagePatterns& patterns, const std::string& kind,
                 boost::json::object& exec) {
  std::error_code error;
  if (!fs::exists(folder / handler.path, error)) {
    node.fail(handler.at, "there is no file " + (folder / handler.path).string() +
                              ": paths are relative to this file");
  }
  if (!patterns.takes(handler.path)) {
    node.fail(handler.at, handler.path + " is left out by the patterns of 'package'");
  }
  // Python's runtime begins with that file.
  const std::string main_file = handler.family == "python" ? handler.path : "";
  try {
    exec["code"] = base64_encode(zip_folder(
        folder.empty() ? "." : folder,
        [&patterns](const std::string& file) { return patterns.takes(file); }, main_file));
  } catch (const Exit& end) {
    node.fail(handler.at, end.what());
  }
  if (!exec.contains("kind")) exec["kind"] = kind;
  exec["binary"] = true;
}

}  // namespace berth::cli
