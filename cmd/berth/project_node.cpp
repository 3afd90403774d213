// SPDX-License-Identifier: Apache-2.0
#include "project_node.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>

namespace berth::cli {
namespace {

namespace json = boost::json;

bool is_name_start(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool is_name(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

// Puts the environment's values into all strings of an input.
class Substitution {
 public:
  explicit Substitution(const ProjectNode& owner, const YamlNode& at) : owner_(owner), at_(at) {}

  bool used() const { return used_; }

  void apply(json::value& value) {
    if (json::string* text = value.if_string()) {
      value = json::string(replaced(std::string_view(*text)));
    } else if (json::array* list = value.if_array()) {
      for (json::value& item : *list) apply(item);
    } else if (json::object* object = value.if_object()) {
      for (auto& member : *object) apply(member.value());
    }
  }

 private:
  std::string replaced(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      if (text[i] != '$' || i + 1 == text.size()) {
        out += text[i++];
      } else if (text[i + 1] == '$') {
        out += '$';
        i += 2;
      } else if (text[i + 1] == '{') {
        const std::size_t end = text.find('}', i);
        if (end == std::string_view::npos) owner_.fail(at_, "'${' has no '}': write $$ for a $");
        out += variable(text.substr(i + 2, end - i - 2));
        i = end + 1;
      } else if (is_name_start(text[i + 1])) {
        std::size_t end = i + 1;
        while (end < text.size() && is_name(text[end])) ++end;
        out += variable(text.substr(i + 1, end - i - 1));
        i = end;
      } else {
        out += text[i++];
      }
    }
    return out;
  }

  std::string variable(std::string_view name) {
    const std::string text(name);
    const bool is_right =
        !text.empty() && is_name_start(text[0]) && std::all_of(text.begin(), text.end(), is_name);
    if (!is_right) owner_.fail(at_, "'${" + text + "}' names no variable: write $$ for a $");
    const char* value = std::getenv(text.c_str());
    if (value == nullptr) {
      owner_.fail(at_, "$" + text + " is not set: export it, or write $$" + text +
                           " if these characters are meant");
    }
    used_ = true;
    return value;
  }

  const ProjectNode& owner_;
  const YamlNode& at_;
  bool used_ = false;
};

bool has(const YamlNode& map, std::string_view key) {
  return std::any_of(map.members.begin(), map.members.end(),
                     [key](const auto& member) { return member.key == key; });
}

// Whether a map describes an input, as {type: string, value: x}, and is not its value.
bool is_description(const YamlNode& node) {
  constexpr std::string_view kKeys[] = {"type",     "value",  "default", "description",
                                        "required", "status", "schema"};
  if (node.kind != YamlNode::Kind::kMap || node.members.empty()) return false;
  const bool only_those =
      std::all_of(node.members.begin(), node.members.end(), [&kKeys](const auto& member) {
        return std::find(std::begin(kKeys), std::end(kKeys), member.key) != std::end(kKeys);
      });
  return only_those && (has(node, "value") || has(node, "default") || has(node, "type"));
}

}  // namespace

ProjectNode::ProjectNode(const std::string& file, const YamlNode& node, std::string owner)
    : file_(file), node_(node), owner_(std::move(owner)) {
  const bool is_null = node.kind == YamlNode::Kind::kScalar && node.scalar.is_null();
  if (node.kind != YamlNode::Kind::kMap && !is_null) {
    fail(node, "must be a map, as 'key: value' on lines of their own, indented");
  }
}

void ProjectNode::only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : node_.members) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string known;
    for (const std::string_view name : keys) {
      known.append(known.empty() ? "" : ", ").append(name);
    }
    fail(value, "the key '" + key + "' is not known here: there are " + known);
  }
}

const YamlNode* ProjectNode::find(std::string_view key) const {
  for (const auto& [name, value] : node_.members) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string ProjectNode::text(std::string_view key, bool required) const {
  const YamlNode* value = find(key);
  const std::string name(key);
  if (value == nullptr) {
    if (required) fail(node_, "'" + name + "' is missing: give it");
    return {};
  }
  if (!value->scalar.is_string() || value->scalar.get_string().empty()) {
    fail(*value, "'" + name + "' must be a text: put it in quotes if it is a number");
  }
  return std::string(value->scalar.get_string());
}

bool ProjectNode::flag(std::string_view key, bool otherwise) const {
  const YamlNode* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->scalar.is_bool()) return value->scalar.get_bool();
  if (value->scalar.is_string()) {
    if (value->scalar.get_string() == "yes") return true;
    if (value->scalar.get_string() == "no") return false;
  }
  fail(*value, "'" + std::string(key) + "' must be true or false");
}

json::object ProjectNode::annotations() const {
  const YamlNode* given = find("annotations");
  if (given == nullptr) return {};
  json::object out;
  for (const auto& [key, value] :
       ProjectNode(file_, *given, owner_ + ", annotations").node_.members)
    out[key] = to_json(value);
  return out;
}

json::object ProjectNode::inputs(std::set<std::string>& hidden) const {
  const YamlNode* given = find("inputs");
  if (given == nullptr) return {};
  json::object out;
  const ProjectNode all(file_, *given, owner_ + ", inputs");
  for (const auto& [key, node] : all.node_.members) {
    const YamlNode* chosen = &node;
    if (is_description(node)) {
      const ProjectNode description(file_, node, owner_ + ", input '" + key + "'");
      chosen = description.find("value");
      if (chosen == nullptr) chosen = description.find("default");
      if (chosen == nullptr) {
        description.fail(node, "has a type and no value: give 'value' or 'default'");
      }
    }
    json::value value = to_json(*chosen);
    Substitution substitution(all, node);
    substitution.apply(value);
    if (substitution.used()) hidden.insert(key);
    out[key] = std::move(value);
  }
  return out;
}

void ProjectNode::fail(const YamlNode& at, const std::string& message) const {
  fail_at(file_, at.line, owner_.empty() ? message : owner_ + ": " + message);
}

json::value to_json(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kList) {
    json::array list;
    for (const YamlNode& item : node.items) list.push_back(to_json(item));
    return list;
  }
  if (node.kind == YamlNode::Kind::kMap) {
    json::object object;
    for (const auto& [key, value] : node.members) object[key] = to_json(value);
    return object;
  }
  return node.scalar;
}

}  // namespace berth::cli
