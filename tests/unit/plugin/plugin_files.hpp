// SPDX-License-Identifier: Apache-2.0
// Files of the zoo, copied into a directory of the test's own where they can be spoilt.
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <vector>

namespace berth::plugin::test {

std::string read_all(const std::filesystem::path& file);
void write_all(const std::filesystem::path& file, std::string_view content);

// True if the text holds all of the parts; else prints it.
testing::AssertionResult has_all(std::string_view text, const std::vector<std::string_view>& parts);

// A fresh directory of mode 0755 for plugins, and beside it the file that a plugin's constructor
// leaves.
class PluginFiles : public testing::Test {
 protected:
  PluginFiles();
  ~PluginFiles() override;

  // Copies libberth_<file>.so of the zoo into the directory, under its own or another file name.
  std::filesystem::path put(std::string_view file, std::string_view as = {});
  // Whether any code of a plugin has run since the test began.
  bool code_ran() const;

  const std::filesystem::path& directory() const { return directory_; }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
  std::filesystem::path directory_;
  std::filesystem::path proof_;
};

}  // namespace berth::plugin::test
