// SPDX-License-Identifier: Apache-2.0
// YAML as a small tree of our own, with lines for messages: nothing else of the program sees the
// YAML library. Plain scalars are read as YAML 1.2's core schema says (yes and no are strings).
// Stateless.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <vector>

namespace berth::cli {

struct YamlMember;

struct YamlNode {
  enum class Kind { kScalar, kList, kMap };
  Kind kind = Kind::kScalar;
  boost::json::value scalar;        // null, a bool, a number or a string
  std::vector<YamlNode> items;      // of a list
  std::vector<YamlMember> members;  // of a map, as in the file
  int line = 0;                     // from 1; of a member: its key's
  bool from_environment = false;    // a part of the scalar is a variable of the environment
};

struct YamlMember {
  std::string key;
  YamlNode value;
};

// What a document may be. Aliases count each time they are used, so a few lines that stand for
// gigabytes are refused before they are expanded.
struct YamlBounds {
  std::size_t nodes = 100'000;
  std::size_t bytes = 8 * 1024 * 1024;  // of all scalars and keys
  int depth = 64;
};

// Throws Exit(kUsage) with "FILE:LINE: what is wrong".
YamlNode parse_yaml(const std::string& text, const std::string& file,
                    const YamlBounds& bounds = {});

// Throws Exit(kUsage): "FILE:LINE: message"; without the line for 0.
[[noreturn]] void fail_at(const std::string& file, int line, const std::string& message);

}  // namespace berth::cli
