// SPDX-License-Identifier: Apache-2.0
#include "project_yaml.hpp"

#include <charconv>
#include <cstdint>
#include <fmt/format.h>
#include <string_view>
#include <unordered_set>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include "exit_code.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

template <typename Number>
bool read_whole(std::string_view text, Number& number, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_integer(std::string_view text, std::int64_t& number) {
  if (text.starts_with("0x")) return read_whole(text.substr(2), number, 16) && number >= 0;
  if (text.starts_with("0o")) return read_whole(text.substr(2), number, 8) && number >= 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text[0] != '+' && read_whole(text, number, 10);
}

bool read_float(std::string_view text, double& number) {
  // from_chars takes "inf" and "nan", too, which are words here.
  if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) return false;
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

json::value plain(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::int64_t integer = 0;
  if (read_integer(text, integer)) return integer;
  double number = 0;
  if (read_float(text, number)) return number;
  return json::value(text);
}

class Converter {
 public:
  Converter(const std::string& file, const YamlBounds& bounds)
      : file_(file), bounds_(bounds), nodes_left_(bounds.nodes), bytes_left_(bounds.bytes) {}

  YamlNode convert(const YAML::Node& node, int line, int depth) {
    const int own_line = node.Mark().line >= 0 ? node.Mark().line + 1 : line;
    if (depth > bounds_.depth) {
      fail_at(file_, own_line,
              fmt::format("more than {} levels deep, or an alias inside of what it stands for",
                          bounds_.depth));
    }
    spend(nodes_left_, 1, own_line);
    YamlNode out;
    out.line = own_line;
    switch (node.Type()) {
      case YAML::NodeType::Scalar: out.scalar = scalar(node, own_line); break;
      case YAML::NodeType::Sequence:
        out.kind = YamlNode::Kind::kList;
        for (const YAML::Node& item : node) out.items.push_back(convert(item, own_line, depth + 1));
        break;
      case YAML::NodeType::Map: read_map(node, depth, out); break;
      default: break;  // null
    }
    return out;
  }

 private:
  void spend(std::size_t& left, std::size_t amount, int line) {
    if (amount > left) {
      fail_at(file_, line,
              fmt::format("a project file may have {} values of {} MB together, aliases expanded",
                          bounds_.nodes, bounds_.bytes / (1024 * 1024)));
    }
    left -= amount;
  }

  json::value scalar(const YAML::Node& node, int line) {
    const std::string& text = node.Scalar();
    spend(bytes_left_, text.size(), line);
    const std::string& tag = node.Tag();
    if (tag == "!" || tag == std::string(kCoreTag) + "str") return json::value(text);  // quoted
    if (tag.empty() || tag == "?" || tag.starts_with(kCoreTag)) {
      if (!tag.ends_with(":binary")) return plain(text);
    }
    fail_at(file_, line, "the tag " + tag + " is not supported: write a plain or quoted value");
  }

  void read_map(const YAML::Node& node, int depth, YamlNode& out) {
    out.kind = YamlNode::Kind::kMap;
    std::unordered_set<std::string> names;
    for (const auto& member : node) {
      const YAML::Node& key = member.first;
      const int line = key.Mark().line >= 0 ? key.Mark().line + 1 : out.line;
      if (!key.IsScalar()) fail_at(file_, line, "a key must be a word or a quoted text");
      const std::string& name = key.Scalar();
      spend(bytes_left_, name.size(), line);
      if (name == "<<") fail_at(file_, line, "merge keys (<<) are not supported: write it out");
      if (!names.insert(name).second)
        fail_at(file_, line, "'" + name + "' stands here twice: keep one");
      out.members.push_back({name, convert(member.second, line, depth + 1)});
      out.members.back().value.line = line;
    }
  }

  const std::string& file_;
  const YamlBounds& bounds_;
  std::size_t nodes_left_;
  std::size_t bytes_left_;
};

}  // namespace

void fail_at(const std::string& file, int line, const std::string& message) {
  const std::string where = line > 0 ? file + ":" + std::to_string(line) : file;
  throw Exit(ExitCode::kUsage, where + ": " + message);
}

YamlNode parse_yaml(const std::string& text, const std::string& file, const YamlBounds& bounds) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty()) fail_at(file, 0, "is empty: a project file begins with 'project:'");
    if (documents.size() > 1) {
      fail_at(file, documents[1].Mark().line + 1, "a second document: one file is one project");
    }
    return Converter(file, bounds).convert(documents[0], 1, 0);
  } catch (const YAML::DeepRecursion& error) {
    fail_at(file, error.mark.is_null() ? 0 : error.mark.line + 1, "is nested too deep");
  } catch (const YAML::Exception& error) {
    fail_at(file, error.mark.is_null() ? 0 : error.mark.line + 1, error.msg);
  }
}

}  // namespace berth::cli
