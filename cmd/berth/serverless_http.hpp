// SPDX-License-Identifier: Apache-2.0
// The HTTP events of a serverless.yml, which the gateway answers. Throws Exit(kUsage).
#pragma once

#include <string>

#include "deploy_file.hpp"
#include "project_node.hpp"

namespace berth::cli {

// "GET /path", or {method, path, resp}; `action`: the full name of the function's.
ApiOperation read_http_event(const YamlNode& value, const ProjectNode& event,
                             const std::string& action);

// resources: apigw: {name, basepath, cors}: of the one API that all events of a file are of. Fills
// in its name, title and cors.
void read_gateway(const ProjectNode& node, ProjectEntity& api);

bool has_http_event(const ProjectNode& function);

// Adds what a function with HTTP events is: a web action that only its gateway opens.
void export_to_gateway(ProjectEntity& action);

}  // namespace berth::cli
