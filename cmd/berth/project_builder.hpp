// SPDX-License-Identifier: Apache-2.0
// What the readers of all forms of project files begin with: the project, where its file lies, and
// what is in it already. Not thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "deploy_file.hpp"
#include "project_node.hpp"

namespace berth::cli {

class ProjectBuilder {
 protected:
  explicit ProjectBuilder(const std::string& file)
      : folder_(std::filesystem::path(file).parent_path()) {
    project_.file = file;
  }
  ~ProjectBuilder() = default;

  // One with its line, and with the project's annotation if the project has a name.
  ProjectEntity begin(EntityKind kind, const std::string& name, const ProjectNode& node) const {
    ProjectEntity out;
    out.kind = kind;
    out.name = name;
    out.line = node.node().line;
    if (!project_.name.empty()) out.annotations[kProjectAnnotation] = project_.name;
    return out;
  }

  // Of what is in the project by that name.
  std::optional<int> line_of(EntityKind kind, const std::string& name) const {
    const auto found = lines_.find({kind, name});
    return found == lines_.end() ? std::nullopt : std::optional(found->second);
  }

  void put(ProjectEntity entity) {
    lines_.emplace(std::pair(entity.kind, entity.name), entity.line);
    project_.entities.push_back(std::move(entity));
  }

  const std::filesystem::path folder_;  // what paths are relative to
  Project project_;

 private:
  std::map<std::pair<EntityKind, std::string>, int> lines_;
};

}  // namespace berth::cli
