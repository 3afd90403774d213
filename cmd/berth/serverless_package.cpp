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

// Each star may try all that is left of a path.
constexpr std::ptrdiff_t kMaxStars = 10;

// The framework's own, which no function needs.
constexpr std::array<std::string_view, 6> kLeftOut = {
    "serverless.yml", "serverless.yaml",        ".gitignore",
    "npm-debug.log",  ".serverless_plugins/**", ".env*"};

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (pattern.starts_with("**/")) {
    const std::string_view rest = pattern.substr(3);
    if (matches_glob(rest, path)) return true;
    for (std::size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at)) {
      if (matches_glob(rest, path.substr(++at))) return true;
    }
    return false;
  }
  if (pattern.front() == '*') {
    const bool deep = pattern.starts_with("**");
    const std::string_view rest = pattern.substr(deep ? 2 : 1);
    for (std::size_t at = 0; at <= path.size(); ++at) {
      if (matches_glob(rest, path.substr(at))) return true;
      if (at < path.size() && path[at] == '/' && !deep) return false;
    }
    return false;
  }
  if (path.empty()) return false;
  const bool fits = pattern.front() == '?' ? path.front() != '/' : pattern.front() == path.front();
  return fits && matches_glob(pattern.substr(1), path.substr(1));
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
      if (text.find_first_of("{}[]()") != std::string::npos ||
          std::count(text.begin(), text.end(), '*') > kMaxStars) {
        package.fail(item, "'" + text + "' is no pattern of *, ** and ?, with ten stars at most");
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
