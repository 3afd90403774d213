// SPDX-License-Identifier: Apache-2.0
#include "plugin_files.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sys/stat.h>

namespace berth::plugin::test {
namespace fs = std::filesystem;

std::string read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in) << file;
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const fs::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  ASSERT_TRUE(out.flush()) << file;
}

testing::AssertionResult has_all(std::string_view text,
                                 const std::vector<std::string_view>& parts) {
  for (const std::string_view part : parts) {
    if (text.find(part) == std::string_view::npos) {
      return testing::AssertionFailure() << "\"" << part << "\" is not in: " << text;
    }
  }
  return testing::AssertionSuccess();
}

PluginFiles::PluginFiles() {
  std::string name = (fs::temp_directory_path() / "berth-plugin-XXXXXX").string();
  root_ = fs::canonical(mkdtemp(name.data()));
  directory_ = root_ / "plugins";
  fs::create_directory(directory_);
  chmod(directory_.c_str(), 0755);
  proof_ = root_ / "code-ran";
  setenv("BERTH_ZOO_PROOF", proof_.c_str(), 1);
}

PluginFiles::~PluginFiles() {
  unsetenv("BERTH_ZOO_PROOF");
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

fs::path PluginFiles::put(std::string_view file, std::string_view as) {
  const std::string name = "libberth_" + std::string(file) + ".so";
  fs::path to = directory_ / (as.empty() ? name : std::string(as));
  write_all(to, read_all(fs::path(BERTH_ZOO_REFUSED) / name));
  chmod(to.c_str(), 0644);
  return to;
}

bool PluginFiles::code_ran() const {
  return fs::exists(proof_);
}

}  // namespace berth::plugin::test
