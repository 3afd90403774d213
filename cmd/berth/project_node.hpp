// SPDX-License-Identifier: Apache-2.0
// Reading typed values out of a project file's tree. Messages name file, line and what the value
// belongs to, as "action 'hello'". Throws Exit(kUsage).
#pragma once

#include <boost/json/object.hpp>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "project_yaml.hpp"

namespace berth::cli {

// A map and what it describes.
class ProjectNode {
 public:
  // Refuses what is no map; null is an empty one.
  ProjectNode(const std::string& file, const YamlNode& node, std::string owner);

  // Refuses keys that are not among these.
  void only(std::initializer_list<std::string_view> keys) const;

  const YamlNode* find(std::string_view key) const;
  // "" if it is not there; `required`: that is an error.
  std::string text(std::string_view key, bool required = false) const;
  // true, false, yes, no.
  bool flag(std::string_view key, bool otherwise) const;
  boost::json::object annotations() const;
  // The values of `inputs`; names of those with text of the environment go into `hidden`.
  boost::json::object inputs(std::set<std::string>& hidden) const;

  [[noreturn]] void fail(const YamlNode& at, const std::string& message) const;
  const YamlNode& node() const { return node_; }
  const std::string& file() const { return file_; }
  const std::string& owner() const { return owner_; }

 private:
  const std::string& file_;
  const YamlNode& node_;
  std::string owner_;
};

// The tree as JSON.
boost::json::value to_json(const YamlNode& node);

}  // namespace berth::cli
