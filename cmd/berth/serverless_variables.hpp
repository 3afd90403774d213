// SPDX-License-Identifier: Apache-2.0
// The variables of a serverless.yml: ${env:NAME}, ${self:a.b}, ${sls:stage}, ${opt:stage}, each
// with an optional value for when there is none, as in ${env:NAME, 'x'}.
#pragma once

#include <string>

#include "project_yaml.hpp"

namespace berth::cli {

// Puts the values of variables into the tree, and marks what came from the environment. Throws
// Exit(kUsage): "FILE:LINE: ..." for others, and for those without a value.
void resolve_variables(const std::string& file, YamlNode& root);

}  // namespace berth::cli
