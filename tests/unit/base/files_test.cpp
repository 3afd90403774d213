// SPDX-License-Identifier: Apache-2.0
#include "base/files.hpp"

#include <cstdlib>
#include <gmock/gmock.h>
#include <sys/stat.h>

namespace berth {
namespace {

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "berth-files-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~FilesTest() override { std::filesystem::remove_all(directory_); }
  static unsigned mode(const std::filesystem::path& path) {
    struct stat facts {};
    return stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777u : 0;
  }
  std::filesystem::path directory_;
};

TEST_F(FilesTest, WrittenFilesArePrivateAndReplaceOldOnes) {
  const auto path = directory_ / "key";
  ASSERT_TRUE(write_file_atomically(path, "one").ok());
  ASSERT_TRUE(write_file_atomically(path, "two").ok());
  EXPECT_EQ(*read_file(path), "two");
  EXPECT_EQ(mode(path), 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FilesTest, ErrorsNameThePath) {
  EXPECT_EQ(read_file(directory_ / "none").error().code(), StatusCode::kNotFound);
  EXPECT_THAT(read_file(directory_ / "none").error().message(), testing::HasSubstr("none"));
  EXPECT_FALSE(write_file_atomically(directory_ / "no" / "where", "x").ok());
}

TEST_F(FilesTest, TooLongAFileIsRefused) {
  ASSERT_TRUE(write_file_atomically(directory_ / "long", std::string(100, 'x')).ok());
  EXPECT_FALSE(read_file(directory_ / "long", 99));
  EXPECT_TRUE(read_file(directory_ / "long", 100));
}

TEST_F(FilesTest, PrivateDirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(make_private_directory(directory_ / "a" / "b").ok());
  EXPECT_EQ(mode(directory_ / "a" / "b"), 0700u);
  EXPECT_TRUE(make_private_directory(directory_ / "a" / "b").ok());
  ASSERT_TRUE(write_file_atomically(directory_ / "file", "x").ok());
  EXPECT_THAT(make_private_directory(directory_ / "file").message(),
              testing::HasSubstr("not a directory"));
}

}  // namespace
}  // namespace berth
