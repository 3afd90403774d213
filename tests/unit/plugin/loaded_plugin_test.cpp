// SPDX-License-Identifier: Apache-2.0
#include "plugin/loaded_plugin.hpp"

#include <fcntl.h>
#include <set>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include "plugin/examine.hpp"
#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

using LoadedPluginTest = test::PluginFiles;

TEST_F(LoadedPluginTest, ShowsWhatWasChecked) {
  const auto file = put("good");
  const auto plugin = LoadedPlugin::load(examine(file));
  ASSERT_TRUE(plugin) << plugin.error().to_string();
  EXPECT_EQ((*plugin)->file(), file);
  EXPECT_EQ((*plugin)->manifest().name, "good");
  EXPECT_EQ((*plugin)->sha256().size(), 64u);
  const berth_plugin_entry_v1& entry = (*plugin)->entry();
  EXPECT_STREQ(entry.name, "good");
  EXPECT_STREQ(entry.version, "1.2.3");
  berth_open_args args{};
  void* instance = nullptr;
  EXPECT_EQ(entry.open(&args, &instance), BERTH_OK);
  entry.close(instance);
}

TEST_F(LoadedPluginTest, ANewerMinorVersionIsLoaded) {
  const auto plugin = LoadedPlugin::load(examine(put("newer_minor")));
  ASSERT_TRUE(plugin) << plugin.error().to_string();
  EXPECT_EQ((*plugin)->manifest().abi, (AbiVersion{1, 7}));
}

TEST_F(LoadedPluginTest, PackedRelocationsAreRead) {
  const auto plugin = LoadedPlugin::load(examine(put("packed")));
  ASSERT_TRUE(plugin) << plugin.error().to_string();
}

TEST_F(LoadedPluginTest, OneFileIsMappedTwiceIndependently) {
  const auto file = put("good");
  const auto first = LoadedPlugin::load(examine(file));
  const auto second = LoadedPlugin::load(examine(file));
  ASSERT_TRUE(first && second);
  EXPECT_NE(&(*first)->entry(), &(*second)->entry());
  EXPECT_EQ((*first)->sha256(), (*second)->sha256());
}

TEST_F(LoadedPluginTest, WhatWasCheckedIsWhatIsLoaded) {
  const auto file = put("good");
  Examination examination = examine(file);
  const std::string sha256 = examination.sha256;
  // An operator overwrites the file in place, between the check and the load.
  test::write_all(file, "no longer a plugin");
  const auto plugin = LoadedPlugin::load(std::move(examination));
  ASSERT_TRUE(plugin) << plugin.error().to_string();
  EXPECT_STREQ((*plugin)->entry().name, "good");
  EXPECT_EQ((*plugin)->sha256(), sha256);
}

TEST_F(LoadedPluginTest, TheCopyIsSealed) {
  const Examination examination = examine(put("good"));
  EXPECT_EQ(pwrite(examination.copy.fd(), "x", 1, 0), -1);
  EXPECT_EQ(ftruncate(examination.copy.fd(), 10), -1);
  EXPECT_EQ(fcntl(examination.copy.fd(), F_GET_SEALS) & F_SEAL_SEAL, F_SEAL_SEAL);
}

TEST_F(LoadedPluginTest, UnloadingUnmapsAndANewOneIsNotTheOld) {
  const auto old_file = put("good");
  const auto new_file = put("newer_minor");
  for (int i = 0; i < 20; ++i) {
    auto plugin = LoadedPlugin::load(examine(i % 2 ? new_file : old_file));
    ASSERT_TRUE(plugin) << plugin.error().to_string();
    EXPECT_STREQ((*plugin)->entry().name, i % 2 ? "newer-minor" : "good");
    EXPECT_NE(test::read_all("/proc/self/maps").find("libberth_"), std::string::npos);
    plugin->reset();
    EXPECT_EQ(test::read_all("/proc/self/maps").find("libberth_"), std::string::npos);
  }
}

TEST_F(LoadedPluginTest, NoDescriptorIsLeft) {
  const auto count = [] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      names.insert(entry.path().filename());
    }
    return names.size();
  };
  const auto good = put("good");
  const auto bad = put("unresolved");
  const auto before = count();
  EXPECT_TRUE(LoadedPlugin::load(examine(good)));
  EXPECT_FALSE(LoadedPlugin::load(examine(bad)));
  EXPECT_FALSE(LoadedPlugin::load(examine(put("rpath"))));
  EXPECT_EQ(count(), before);
}

TEST_F(LoadedPluginTest, WhatTheLinkerCannotResolveNamesFileAndSymbol) {
  const auto file = put("unresolved");
  const auto plugin = LoadedPlugin::load(examine(file));
  ASSERT_FALSE(plugin);
  EXPECT_TRUE(test::has_all(plugin.error().message(),
                            {file.string() + ": refused by rule 'link'", "libberth_unresolved.so",
                             "berth_zoo_is_nowhere", "Mend: "}));
  EXPECT_EQ(plugin.error().message().find("/proc/self/fd"), std::string::npos);
  EXPECT_FALSE(code_ran());
}

TEST_F(LoadedPluginTest, AnEntryThatItsConstructorChangesIsRefused) {
  const auto plugin = LoadedPlugin::load(examine(put("rewrites_entry")));
  ASSERT_FALSE(plugin);
  EXPECT_TRUE(test::has_all(plugin.error().message(), {"rule 'entry'", "once loaded", "constant"}));
  EXPECT_EQ(test::read_all("/proc/self/maps").find("libberth_"), std::string::npos);
}

TEST_F(LoadedPluginTest, WhatWasNotExaminedIsNotLoaded) {
  const auto plugin = LoadedPlugin::load(Examination{});
  ASSERT_FALSE(plugin);
  EXPECT_TRUE(test::has_all(plugin.error().message(), {"was not examined"}));
}

TEST_F(LoadedPluginTest, AnotherThreadMustNotUnload) {
  // Forked, the child has this test's directory; run anew, it would leave one of its own behind.
  GTEST_FLAG_SET(death_test_style, "fast");
  const auto file = put("good");
  EXPECT_DEATH(
      {
        auto plugin = LoadedPlugin::load(examine(file));
        std::thread([&] { plugin->reset(); }).join();
      },
      "unloaded on the thread that loaded it");
}

}  // namespace
}  // namespace berth::plugin
