// SPDX-License-Identifier: Apache-2.0
// What a project file says of an action's code.
#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>

#include "project_node.hpp"

namespace berth::cli {

// "python", "python@3" and "python:3" as the API has it: "python:default", "python:3".
std::string runtime_kind(std::string runtime);

// Puts the file's or the folder's code and its kind into `exec`; `at` is where messages point to.
// With an image in it, `exec` has its kind already. Throws Exit(kUsage).
void read_code_file(const ProjectNode& node, const YamlNode& at, const std::filesystem::path& path,
                    const std::string& kind, boost::json::object& exec);

}  // namespace berth::cli
