// SPDX-License-Identifier: Apache-2.0
// Each header of plugin-api compiles alone, as strict as its dialects and compilers can be.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "command.hpp"

namespace berth::plugin::test {
namespace {

namespace fs = std::filesystem;

struct Dialect {
  std::string name;
  std::string compiler;
  std::string language;  // c or c++
  std::vector<std::string> flags;
  bool sdk;  // also the SDK's headers
};

const std::vector<Dialect>& dialects() {
  static const std::vector<Dialect> all = {
      {"gcc_c99", "gcc", "c", {"-std=c99"}, false},
      {"gcc_c11", "gcc", "c", {"-std=c11"}, false},
      {"clang_c99", "clang-16", "c", {"-std=c99"}, false},
      {"clang_c11", "clang-16", "c", {"-std=c11"}, false},
      {"gxx_cxx17", "g++", "c++", {"-std=c++17"}, true},
      {"gxx_cxx20", "g++", "c++", {"-std=c++20"}, true},
      {"clang_cxx17", "clang++-16", "c++", {"-std=c++17"}, true},
      {"clang_cxx20", "clang++-16", "c++", {"-std=c++20"}, true},
      {"libcxx_cxx17", "clang++-16", "c++", {"-std=c++17", "-stdlib=libc++"}, true},
  };
  return all;
}

std::vector<std::string> headers(bool sdk) {
  const fs::path include = BERTH_SOURCE_DIRECTORY "/plugin-api/include";
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(include)) {
    const std::string extension = entry.path().extension();
    if (extension == ".h" || (sdk && extension == ".hpp")) {
      found.push_back(fs::relative(entry.path(), include).string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

class HeadersTest : public testing::TestWithParam<Dialect> {};

TEST_P(HeadersTest, CompileAlone) {
  const Dialect& dialect = GetParam();
  if (find_program(dialect.compiler).empty()) {
    const char* required = std::getenv("BERTH_REQUIRE_ALL");
    ASSERT_FALSE(required != nullptr && std::string(required) == "1") << dialect.compiler;
    GTEST_SKIP() << dialect.compiler << " is not installed";
  }
  const std::vector<std::string> all = headers(dialect.sdk);
  ASSERT_GE(all.size(), dialect.sdk ? 12u : 5u);
  for (const std::string& header : all) {
    std::vector<std::string> command = {dialect.compiler, "-x", dialect.language};
    command.insert(command.end(), dialect.flags.begin(), dialect.flags.end());
    command.insert(command.end(), {"-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only",
                                   "-I" BERTH_SOURCE_DIRECTORY "/plugin-api/include", "-include",
                                   header, "/dev/null"});
    const Ran compiled = run(command);
    EXPECT_EQ(compiled.exit_code, 0) << header << "\n" << compiled.output;
  }
}

std::string name_of(const testing::TestParamInfo<Dialect>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(PluginApi, HeadersTest, testing::ValuesIn(dialects()), name_of);

}  // namespace
}  // namespace berth::plugin::test
