// SPDX-License-Identifier: Apache-2.0
#include "project_code.hpp"

#include <algorithm>
#include <system_error>

#include "code_file.hpp"
#include "exit_code.hpp"

namespace berth::cli {

namespace fs = std::filesystem;

std::string runtime_kind(std::string runtime) {
  std::replace(runtime.begin(), runtime.end(), '@', ':');
  if (!runtime.empty() && runtime.find(':') == std::string::npos) runtime += ":default";
  return runtime;
}

void read_code_file(const ProjectNode& node, const YamlNode& at, const fs::path& path,
                    const std::string& kind, boost::json::object& exec) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    node.fail(at, "there is no file " + path.string() + ": paths are relative to this file");
  }
  if (!fs::is_regular_file(path, error) && !fs::is_directory(path, error)) {
    node.fail(at, path.string() + " is neither a file nor a folder");
  }
  Code code;
  try {
    code = read_code(path.string(), kind);
  } catch (const Exit& end) {
    node.fail(at, end.what());
  }
  if (!exec.contains("kind")) {
    if (code.kind.empty()) {
      node.fail(at, "which runtime is " + path.string() +
                        "? Give it, for example 'runtime: python:default'");
    }
    exec["kind"] = code.kind;
  }
  exec["code"] = code.text;
  exec["binary"] = code.binary;
}

}  // namespace berth::cli
