// SPDX-License-Identifier: Apache-2.0
// `package` of a serverless.yml: which files of its folder go with a function. Throws Exit(kUsage).
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "project_node.hpp"

namespace berth::cli {

// `*` and `?` are within a folder, `**` goes through folders.
bool matches_glob(std::string_view pattern, std::string_view path);

class PackagePatterns {
 public:
  // Adds `patterns`, `include` and `exclude` of a map to those there are.
  void read(const ProjectNode& package);
  // Nothing was said: then a function is its handler's file alone.
  bool empty() const { return patterns_.empty(); }
  // A file's path below the folder. All are taken that no pattern leaves out; the last one that
  // matches decides.
  bool takes(std::string_view path) const;

 private:
  std::vector<std::pair<std::string, bool>> patterns_;  // with whether it takes
};

struct HandlerFile {
  std::string path;    // below the folder, "src/index.js"
  std::string family;  // "nodejs"
  const YamlNode& at;  // where messages point to
};

// Puts what the patterns take of the folder into `exec`, as a zip.
void zip_service(const ProjectNode& node, const HandlerFile& handler,
                 const std::filesystem::path& folder, const PackagePatterns& patterns,
                 const std::string& kind, boost::json::object& exec);

}  // namespace berth::cli
