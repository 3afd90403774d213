// SPDX-License-Identifier: Apache-2.0
#include "plugin/file_trust.hpp"

#include <cstdlib>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

// Some user who is neither root nor us.
constexpr uid_t kStranger = 4321;

bool all_required() {
  const char* value = std::getenv("BERTH_REQUIRE_ALL");
  return value && std::string_view(value) == "1";
}

#define SKIP_UNLESS_ROOT()                                            \
  if (geteuid() != 0) {                                               \
    ASSERT_FALSE(all_required()) << "needs root, to give files away"; \
    GTEST_SKIP() << "needs root, to give files away";                 \
  }

class FileTrust : public test::PluginFiles {
 protected:
  std::string directory_problem() {
    const TrustedDirectory opened = open_directory(directory(), geteuid());
    return opened.refusal ? opened.refusal->detail + " / " + opened.refusal->mend : "fine";
  }
  std::string file_problem(const std::string& name) {
    const TrustedDirectory opened = open_directory(directory(), geteuid());
    const TrustedFile file = open_file(opened.fd.get(), name, geteuid());
    return file.refusal ? file.refusal->detail + " / " + file.refusal->mend : "fine";
  }
};

TEST_F(FileTrust, OursUnderAStickyParentIsFine) {
  EXPECT_EQ(directory_problem(), "fine");
  put("good");
  EXPECT_EQ(file_problem("libberth_good.so"), "fine");
}

TEST_F(FileTrust, TheDirectoryIsMadeCanonicalFirst) {
  std::filesystem::create_directory_symlink(directory(), root() / "link");
  const TrustedDirectory opened = open_directory(root() / "link" / ".." / "link", geteuid());
  EXPECT_FALSE(opened.refusal);
  EXPECT_EQ(opened.canonical, directory());
}

TEST_F(FileTrust, AMissingDirectoryIsNamed) {
  const TrustedDirectory opened = open_directory(root() / "nowhere", geteuid());
  EXPECT_FALSE(opened.fd);
  ASSERT_TRUE(opened.refusal);
  EXPECT_TRUE(test::has_all(opened.refusal->detail, {"nowhere", "No such file"}));
  EXPECT_TRUE(test::has_all(opened.refusal->mend, {"--plugin-dir"}));
}

TEST_F(FileTrust, AWritableParentIsRefusedUnlessSticky) {
  chmod(root().c_str(), 0777);
  EXPECT_TRUE(
      test::has_all(directory_problem(), {"the parent directory " + root().string(),
                                          "writable by everybody (mode 0777)", "chmod go-w"}));
  chmod(root().c_str(), 01777);
  EXPECT_EQ(directory_problem(), "fine");
}

TEST_F(FileTrust, TheDirectoryItselfMustNotBeWritableEvenIfSticky) {
  chmod(directory().c_str(), 01777);
  EXPECT_TRUE(test::has_all(directory_problem(), {"the directory ", "writable by everybody"}));
}

TEST_F(FileTrust, AGroupMayWriteOnlyIfItIsTheOwnersPrivateOne) {
  const passwd* self = getpwuid(geteuid());
  const group* own = self ? getgrgid(self->pw_gid) : nullptr;
  if (!own || std::string(own->gr_name) != self->pw_name || own->gr_mem[0]) {
    ASSERT_FALSE(all_required()) << "this user has no private group";
    GTEST_SKIP() << "this user has no private group";
  }
  put("good");
  const std::string file = (directory() / "libberth_good.so").string();
  ASSERT_EQ(chown(file.c_str(), -1, self->pw_gid), 0);
  chmod(file.c_str(), 0664);
  EXPECT_EQ(file_problem("libberth_good.so"), "fine");
  SKIP_UNLESS_ROOT();
  const group* shared = getgrnam("nogroup");
  ASSERT_NE(shared, nullptr);
  ASSERT_EQ(chown(file.c_str(), -1, shared->gr_gid), 0);
  chmod(file.c_str(), 0664);
  EXPECT_TRUE(test::has_all(file_problem("libberth_good.so"),
                            {"it is writable by the group", "(mode 0664)", "chmod go-w"}));
  ASSERT_EQ(chown(directory().c_str(), -1, shared->gr_gid), 0);
  chmod(directory().c_str(), 0775);
  EXPECT_TRUE(test::has_all(directory_problem(), {"is writable by the group"}));
}

TEST_F(FileTrust, AnAccessListMakesThePrivateGroupWorthless) {
  put("good");
  const std::string file = (directory() / "libberth_good.so").string();
  chmod(file.c_str(), 0664);
  if (file_problem("libberth_good.so") != "fine") {
    ASSERT_FALSE(all_required()) << "this user has no private group";
    GTEST_SKIP() << "this user has no private group";
  }
  // Version 2; user:: rw, user:4321: rw, group:: rw, mask:: rw, other:: r.
  struct Entry {
    std::uint16_t tag, permissions;
    std::uint32_t id;
  };
  struct {
    std::uint32_t version = 2;
    Entry entries[5] = {{1, 6, UINT32_MAX},
                        {2, 6, kStranger},
                        {4, 6, UINT32_MAX},
                        {16, 6, UINT32_MAX},
                        {32, 4, UINT32_MAX}};
  } list;
  if (setxattr(file.c_str(), "system.posix_acl_access", &list, sizeof list, 0) != 0) {
    ASSERT_FALSE(all_required()) << "this file system keeps no access control lists";
    GTEST_SKIP() << "this file system keeps no access control lists";
  }
  EXPECT_TRUE(test::has_all(file_problem("libberth_good.so"), {"writable by the group"}));
}

TEST_F(FileTrust, StrangersAreNotTrusted) {
  SKIP_UNLESS_ROOT();
  const auto file = put("good");
  ASSERT_EQ(chown(file.c_str(), kStranger, -1), 0);
  EXPECT_TRUE(test::has_all(file_problem("libberth_good.so"),
                            {"it belongs to uid 4321, neither root nor the user", "chown root"}));
  // For that user himself it is fine; and root's files are fine for everybody.
  const TrustedDirectory opened = open_directory(directory(), kStranger);
  EXPECT_FALSE(opened.refusal);
  EXPECT_FALSE(open_file(opened.fd.get(), "libberth_good.so", kStranger).refusal);
  ASSERT_EQ(chown(directory().c_str(), kStranger, -1), 0);
  EXPECT_TRUE(test::has_all(directory_problem(), {"the directory", "belongs to uid 4321"}));
  ASSERT_EQ(chown(directory().c_str(), 0, -1), 0);
  ASSERT_EQ(chown(root().c_str(), kStranger, -1), 0);
  chmod(root().c_str(), 01755);  // who owns a sticky directory may still replace what is in it
  EXPECT_TRUE(test::has_all(directory_problem(), {"the parent directory", "belongs to uid 4321"}));
}

}  // namespace
}  // namespace berth::plugin
