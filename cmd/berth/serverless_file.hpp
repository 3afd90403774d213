// SPDX-License-Identifier: Apache-2.0
// A serverless.yml with the provider openwhisk, read as the project that it describes: what the
// serverless framework and its plugin for OpenWhisk would make, by the same names.
#pragma once

#include "deploy_file.hpp"
#include "project_yaml.hpp"

namespace berth::cli {

// Whether it is such a file, and no manifest: it has a service.
bool is_serverless(const YamlNode& root);

// `file` is for messages, and paths are relative to it. Throws Exit(kUsage): "FILE:LINE: ...". The
// entities are in no order.
Project read_serverless(const std::string& file, const YamlNode& root);

}  // namespace berth::cli
