// SPDX-License-Identifier: Apache-2.0
#include "project_api.hpp"

#include <algorithm>
#include <utility>

namespace berth::cli {

void add_operation(ProjectEntity& api, ApiOperation operation, const ProjectNode& node,
                   const YamlNode& at) {
  if (operation.method.empty()) {
    node.fail(at, "the method must be GET, PUT, POST, DELETE, PATCH, HEAD or OPTIONS");
  }
  if (std::find(kResponseTypes.begin(), kResponseTypes.end(), operation.response_type) ==
      kResponseTypes.end()) {
    node.fail(at, "'" + operation.response_type +
                      "' is nothing that an answer can be: json, http, html, svg or text");
  }
  for (const ApiOperation& other : api.operations) {
    if (other.path == operation.path && other.method == operation.method) {
      node.fail(at, operation.method + ' ' + operation.path + " is answered by " +
                        other.action.substr(other.action.find('/', 1) + 1) + " already");
    }
  }
  api.operations.push_back(std::move(operation));
}

}  // namespace berth::cli
