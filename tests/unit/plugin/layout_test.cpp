// SPDX-License-Identifier: Apache-2.0
// The layout lock: tests/data/abi/<version>.layout has every struct of a release as it was. What is
// there never changes; a struct that carries its size may have members appended, others may not
// grow. Prints the layout of now if the environment has BERTH_PRINT_LAYOUT=1, to commit with a
// release.
#include "layout.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Member {
  std::string name;
  std::size_t offset;
  std::size_t size;
  friend bool operator==(const Member&, const Member&) = default;
};
struct Struct {
  std::size_t size = 0;
  std::vector<Member> members;
  // Only these are passed by pointer with their size, so that a tail may follow.
  bool sized() const { return !members.empty() && members[0].name == "struct_size"; }
};
using Layout = std::map<std::string, Struct>;

Layout layout_of_now() {
  Layout layout;
  for (std::size_t i = 0; i < berth_layout_rows; ++i) {
    const layout_row& row = berth_layout[i];
    Struct& type = layout[row.type];
    if (*row.member == '\0') {
      type.size = row.size;
    } else {
      type.members.push_back({row.member, row.offset, row.size});
    }
  }
  return layout;
}

// Lines "struct berth_str 16" and "  data 0 8".
Layout parse(std::istream& text) {
  Layout layout;
  Struct* type = nullptr;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string first;
    if (!(words >> first)) continue;
    if (first == "struct") {
      std::string name;
      words >> name;
      type = &layout[name];
      words >> type->size;
    } else {
      Member member{first, 0, 0};
      words >> member.offset >> member.size;
      type->members.push_back(member);
    }
  }
  return layout;
}

// What breaks plugins that were built with `old`; empty if nothing does.
std::string breaks(const Layout& old, const Layout& now) {
  std::string found;
  for (const auto& [name, was] : old) {
    const auto there = now.find(name);
    if (there == now.end()) {
      found += name + " is gone\n";
      continue;
    }
    const Struct& is = there->second;
    for (std::size_t i = 0; i < was.members.size(); ++i) {
      if (i >= is.members.size() || !(is.members[i] == was.members[i])) {
        found += name + "." + was.members[i].name + " has changed\n";
      }
    }
    if (is.size < was.size) found += name + " has shrunk\n";
    if (is.size > was.size && !was.sized()) found += name + " has grown and carries no size\n";
  }
  return found;
}

TEST(Layout, OfEachReleaseIsKept) {
  const Layout now = layout_of_now();
  if (std::getenv("BERTH_PRINT_LAYOUT") != nullptr) {
    for (const auto& [name, type] : now) {
      std::cout << "struct " << name << ' ' << type.size << '\n';
      for (const Member& member : type.members) {
        std::cout << "  " << member.name << ' ' << member.offset << ' ' << member.size << '\n';
      }
    }
  }
  const char* source = std::getenv("BERTH_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run by ctest, or set BERTH_SOURCE_DIR";
  int releases = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(source) + "/tests/data/abi")) {
    std::ifstream text(file.path());
    const Layout old = parse(text);
    EXPECT_FALSE(old.empty());
    EXPECT_EQ(breaks(old, now), "") << file.path();
    ++releases;
  }
  EXPECT_GE(releases, 1);
}

// So that no padding is hidden and no member is missing from layout.c.
TEST(Layout, HasNoHoles) {
  for (const auto& [name, type] : layout_of_now()) {
    std::size_t end = 0;
    for (const Member& member : type.members) {
      EXPECT_EQ(member.offset, end) << name << "." << member.name;
      end = member.offset + member.size;
    }
    EXPECT_EQ(type.size, end) << name;
  }
}

TEST(Layout, AnAppendIsToldFromABreak) {
  const Layout old = {{"s", {8, {{"struct_size", 0, 4}, {"a", 4, 4}}}}, {"v", {8, {{"x", 0, 8}}}}};
  Layout now = old;
  EXPECT_EQ(breaks(old, now), "");
  now["new"] = {8, {{"y", 0, 8}}};
  now["s"] = {16, {{"struct_size", 0, 4}, {"a", 4, 4}, {"b", 8, 8}}};
  EXPECT_EQ(breaks(old, now), "");
  now["s"] = {16, {{"struct_size", 0, 4}, {"b", 4, 4}, {"a", 8, 8}}};
  EXPECT_NE(breaks(old, now), "");
  now["s"] = {4, {{"struct_size", 0, 4}}};
  EXPECT_NE(breaks(old, now), "");
  now = old;
  now["v"] = {16, {{"x", 0, 8}, {"y", 8, 8}}};
  EXPECT_EQ(breaks(old, now), "v has grown and carries no size\n");
  now.erase("v");
  EXPECT_EQ(breaks(old, now), "v is gone\n");
}

}  // namespace
