// SPDX-License-Identifier: Apache-2.0
#include "serverless_variables.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr int kMaxDepth = 10;                   // of values that have variables themselves
constexpr std::size_t kMaxBytes = 1024 * 1024;  // of all that variables stand for
constexpr std::string_view kStage = "dev";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

const YamlNode* member_of(const YamlNode& node, std::string_view key) {
  for (const auto& [name, value] : node.members) {
    if (name == key) return &value;
  }
  return nullptr;
}

struct Value {
  json::value scalar;
  bool from_environment = false;
};

class Resolver {
 public:
  Resolver(const std::string& file, const YamlNode& root) : file_(file), root_(root) {}

  void resolve(YamlNode& node) {
    for (YamlNode& item : node.items) resolve(item);
    for (YamlMember& member : node.members) resolve(member.value);
    if (!node.scalar.is_string()) return;
    const std::string text(node.scalar.get_string());
    if (text.find("${") == std::string::npos) return;
    Value value = replaced(text, node.line, 0);
    node.scalar = std::move(value.scalar);
    node.from_environment = value.from_environment;
  }

 private:
  Value replaced(const std::string& text, int line, int depth) {
    if (depth > kMaxDepth) fail_at(file_, line, "variables stand for variables, too deep");
    Value out;
    std::string whole;
    std::size_t at = 0;
    while (true) {
      const std::size_t begin = text.find("${", at);
      if (begin == std::string::npos) break;
      const std::size_t end = text.find('}', begin);
      if (end == std::string::npos) fail_at(file_, line, "'${' has no '}'");
      Value value = variable(text.substr(begin + 2, end - begin - 2), line, depth);
      out.from_environment |= value.from_environment;
      // A text that is a variable and nothing else gets what it is: a number stays one.
      if (begin == 0 && end + 1 == text.size()) {
        spend(json::serialize(value.scalar).size(), line);
        out.scalar = std::move(value.scalar);
        return out;
      }
      whole += text.substr(at, begin - at);
      whole += value.scalar.is_string() ? std::string(value.scalar.get_string())
                                        : json::serialize(value.scalar);
      spend(whole.size(), line);
      at = end + 1;
    }
    out.scalar = json::value(whole + text.substr(at));
    return out;
  }

  Value variable(const std::string& text, int line, int depth) {
    spend(64, line);  // also for what stands for nothing: there are not endlessly many
    const std::size_t comma = text.find(',');
    const std::string name(trimmed(std::string_view(text).substr(0, comma)));
    if (std::optional<Value> found = look_up(name, line, depth)) return std::move(*found);
    if (comma == std::string::npos) {
      fail_at(file_, line,
              "${" + text + "} has no value: set it, or give one as ${" + text + ", 'x'}");
    }
    const std::string_view other = trimmed(std::string_view(text).substr(comma + 1));
    const bool quoted = other.size() >= 2 && (other.front() == '\'' || other.front() == '"') &&
                        other.back() == other.front();
    if (!quoted) {
      fail_at(file_, line, "${" + text + "}: the value after the comma must be in quotes");
    }
    return {json::value(std::string(other.substr(1, other.size() - 2))), false};
  }

  std::optional<Value> look_up(const std::string& name, int line, int depth) {
    if (name.starts_with("env:")) {
      const char* value = std::getenv(name.substr(4).c_str());
      if (value == nullptr) return std::nullopt;
      return Value{json::value(value), true};
    }
    if (name == "sls:stage") return stage(line, depth);
    if (name.starts_with("opt:")) return std::nullopt;  // this command has no such options
    if (!name.starts_with("self:")) {
      fail_at(file_, line, "${" + name + "} is not known: there are env:, self:, sls:stage, opt:");
    }
    const YamlNode* node = &root_;
    std::string_view path = std::string_view(name).substr(5);
    while (node != nullptr && !path.empty()) {
      const std::size_t dot = std::min(path.find('.'), path.size());
      node = member_of(*node, path.substr(0, dot));
      path.remove_prefix(std::min(dot + 1, path.size()));
    }
    if (node == nullptr) return std::nullopt;
    if (node->kind != YamlNode::Kind::kScalar) {
      fail_at(file_, line, "${" + name + "} is a list or a map: only single values may be used");
    }
    if (!node->scalar.is_string()) return Value{node->scalar, false};
    return replaced(std::string(node->scalar.get_string()), line, depth + 1);
  }

  Value stage(int line, int depth) {
    const YamlNode* provider = member_of(root_, "provider");
    const YamlNode* given = provider != nullptr ? member_of(*provider, "stage") : nullptr;
    if (given == nullptr || !given->scalar.is_string()) return {json::value(kStage), false};
    return replaced(std::string(given->scalar.get_string()), line, depth + 1);
  }

  void spend(std::size_t bytes, int line) {
    spent_ += bytes;
    if (spent_ > kMaxBytes) fail_at(file_, line, "variables stand for more than a megabyte");
  }

  const std::string& file_;
  const YamlNode& root_;
  std::size_t spent_ = 0;
};

}  // namespace

void resolve_variables(const std::string& file, YamlNode& root) {
  const YamlNode before = root;
  Resolver(file, before).resolve(root);
}

}  // namespace berth::cli
