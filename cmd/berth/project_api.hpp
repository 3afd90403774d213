// SPDX-License-Identifier: Apache-2.0
// What project files of all forms say of APIs alike. Throws Exit(kUsage).
#pragma once

#include "deploy_file.hpp"
#include "project_node.hpp"

namespace berth::cli {

// Adds it to the API unless its method or response type is none, or the API has it; `at`: where the
// file says it.
void add_operation(ProjectEntity& api, ApiOperation operation, const ProjectNode& node,
                   const YamlNode& at);

}  // namespace berth::cli
