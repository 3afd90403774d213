// SPDX-License-Identifier: Apache-2.0
#include "serverless_http.hpp"

#include <algorithm>
#include <utility>

namespace berth::cli {

ApiOperation read_http_event(const YamlNode& value, const ProjectNode& event,
                             const std::string& action) {
  ApiOperation operation{.action = action};
  std::string method;
  if (value.kind == YamlNode::Kind::kMap) {
    const ProjectNode node(event.file(), value, event.owner() + ", http");
    node.only({"method", "path", "resp"});
    method = node.text("method", true);
    operation.path = node.text("path", true);
    if (node.find("resp") != nullptr) operation.response_type = node.text("resp");
  } else {
    const std::string text = event.text("http");
    const std::size_t space = text.find(' ');
    method = text.substr(0, space);
    const std::size_t path = text.find_first_not_of(' ', space);
    if (path != std::string::npos && path > space) operation.path = text.substr(path);
  }
  operation.method = api_method(method);
  if (operation.path.empty()) {
    event.fail(value, "'http' must be a method and a path, as 'GET /books/{isbn}'");
  }
  if (!operation.path.starts_with('/')) operation.path.insert(0, 1, '/');
  return operation;
}

void read_gateway(const ProjectNode& node, ProjectEntity& api) {
  node.only({"name", "basepath", "cors"});
  if (node.find("name") != nullptr) api.title = node.text("name");
  if (const YamlNode* path = node.find("basepath")) {
    api.name = node.text("basepath");
    if (!api.name.starts_with('/')) node.fail(*path, "'basepath' must begin with '/'");
  }
  if (node.find("cors") != nullptr) api.cors = node.flag("cors", true);
}

bool has_http_event(const ProjectNode& function) {
  const YamlNode* events = function.find("events");
  return events != nullptr &&
         std::any_of(events->items.begin(), events->items.end(), [](const YamlNode& event) {
           return std::any_of(event.members.begin(), event.members.end(),
                              [](const YamlMember& member) { return member.key == "http"; });
         });
}

void export_to_gateway(ProjectEntity& action) {
  action.annotations.emplace("web-export", true);
  action.annotations.emplace("final", true);
  action.has_secret = !action.annotations.contains("require-whisk-auth");
}

}  // namespace berth::cli
