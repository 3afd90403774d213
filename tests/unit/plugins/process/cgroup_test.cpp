// SPDX-License-Identifier: Apache-2.0
// Finding hierarchies on every layout, and the files that are written on v1 and v2, on directories
// that only look like cgroups.
#include "sandboxer/cgroup.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace berth::process {
namespace {
namespace fs = std::filesystem;

TEST(CgroupLayout, V2) {
  const auto found = find_cgroup_hierarchies(
      "22 1 0:20 / /proc rw - proc proc rw\n"
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
      "0::/system.slice/berthd.service\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].v2);
  EXPECT_EQ(found[0].directory, "/sys/fs/cgroup/system.slice/berthd.service");
}

TEST(CgroupLayout, V1WithJoinedControllers) {
  const auto found = find_cgroup_hierarchies(
      "31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "33 25 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
      "3:memory:/user.slice\n2:cpu,cpuacct:/\n1:name=systemd:/x\n");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].directory, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(found[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(found[1].directory, "/sys/fs/cgroup/memory/user.slice");
  EXPECT_EQ(found[2].controllers, (std::vector<std::string>{"name=systemd"}));
}

TEST(CgroupLayout, Hybrid) {
  const auto found = find_cgroup_hierarchies(
      "31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      "1:memory:/a\n0::/b\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_FALSE(found[0].v2);
  EXPECT_EQ(found[0].directory, "/sys/fs/cgroup/memory/a");
  EXPECT_TRUE(found[1].v2);
  EXPECT_EQ(found[1].directory, "/sys/fs/cgroup/unified/b");
}

TEST(CgroupLayout, InsideAContainer) {
  // The mount shows only the container's part, with or without a cgroup namespace.
  const char* mount = "31 25 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  EXPECT_EQ(find_cgroup_hierarchies(mount, "1:memory:/docker/abc\n").at(0).directory,
            "/sys/fs/cgroup/memory");
  EXPECT_EQ(find_cgroup_hierarchies(mount, "1:memory:/docker/abc/x\n").at(0).directory,
            "/sys/fs/cgroup/memory/x");
  EXPECT_EQ(find_cgroup_hierarchies(mount, "1:memory:/docker/abcd\n").at(0).directory,
            "/sys/fs/cgroup/memory");
  EXPECT_EQ(find_cgroup_hierarchies("31 25 0:27 / /cg rw - cgroup2 x rw\n", "0::/../..\n")
                .at(0)
                .directory,
            "/cg");
}

TEST(CgroupLayout, OddLinesAreHarmless) {
  EXPECT_TRUE(find_cgroup_hierarchies("", "").empty());
  EXPECT_TRUE(find_cgroup_hierarchies("rubbish\n1 2 3\n - - - -\n", "::\nx\n").empty());
  EXPECT_EQ(find_cgroup_hierarchies("31 25 0:27 / /my\\040cg rw - cgroup2 x rw\n", "0::/\n")
                .at(0)
                .directory,
            "/my cg");
}

class FakeCgroups : public ::testing::Test {
 protected:
  FakeCgroups() {
    std::string name = "/tmp/cgXXXXXX";
    if (::mkdtemp(name.data()) != nullptr) root_ = name;
  }
  ~FakeCgroups() override { fs::remove_all(root_); }
  void put(const std::string& path, const std::string& text = "") const {
    fs::create_directories(fs::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << text;
  }
  std::string get(const std::string& path) const {
    std::ifstream in(root_ + "/" + path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  std::string root_;
};

TEST_F(FakeCgroups, LimitsOnV2) {
  put("cgroup.controllers", "cpuset cpu io memory pids\n");
  put("cgroup.subtree_control");
  // What the kernel would show once the controllers are on; the write into it lands on the padding.
  put("berth/cgroup.subtree_control", std::string(18, 'x') + " cpu memory pids\n");
  put("berth/cgroup.freeze");
  put("berth/memory.swap.max");
  Cgroups cgroups;
  cgroups.open({{true, root_, root_, {}}}, "berth");
  const Enforcement e = cgroups.enforcement();
  EXPECT_TRUE(e.memory && e.cpu && e.pids && e.pause);
  EXPECT_EQ(e.detail, "");
  EXPECT_FALSE(cgroups.kill_needs_thaw());
  for (const char* file : {"memory.max", "memory.swap.max", "memory.oom.group", "pids.max",
                           "cpu.weight", "cpu.max", "cgroup.freeze"}) {
    put(std::string("berth/7/") + file);
  }
  fs::rename(root_ + "/berth/7", root_ + "/seven");
  ASSERT_TRUE(cgroups.create("7").ok());
  fs::remove(root_ + "/berth/7");
  fs::rename(root_ + "/seven", root_ + "/berth/7");
  CgroupLimits applied;
  ASSERT_TRUE(cgroups.set_limits("7", {256 << 20, 256, 1500, 64}, applied).ok());
  EXPECT_EQ(get("berth/7/memory.max"), "268435456");
  EXPECT_EQ(get("berth/7/pids.max"), "64");
  EXPECT_EQ(get("berth/7/cpu.weight"), "10");
  EXPECT_EQ(get("berth/7/cpu.max"), "150000 100000");
  EXPECT_EQ(applied, (CgroupLimits{256 << 20, 256, 1500, 64}));
  EXPECT_EQ(cgroups.freeze("7", true), 0);
  EXPECT_EQ(get("berth/7/cgroup.freeze"), "1");
  put("berth/7/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_EQ(cgroups.freeze_state("7"), FreezeState::kFreezing);
  put("berth/7/cgroup.events", "populated 1\nfrozen 1\n");
  EXPECT_EQ(cgroups.freeze_state("7"), FreezeState::kFrozen);
  put("berth/7/memory.events", "oom 3\noom_kill 2\noom_group_kill 1\n");
  EXPECT_EQ(cgroups.oom_kills("7"), 2u);
  EXPECT_TRUE(cgroups.open_v2("7").valid());
  EXPECT_TRUE(cgroups.open_v1_tasks("7").empty());
}

TEST_F(FakeCgroups, RootUsesTheTopOfV2WhenItsOwnGroupCannotHaveLimits) {
  if (::geteuid() != 0) return;  // an ordinary user has no such way
  put("cgroup.controllers", "cpu memory pids\n");
  put("cgroup.subtree_control");
  put("session/cgroup.controllers");  // nothing is offered below a session
  put("session/cgroup.subtree_control");
  put("berth/cgroup.subtree_control", std::string(18, 'x') + " cpu memory pids\n");
  Cgroups cgroups;
  cgroups.open({{true, root_ + "/session", root_, {}}}, "berth");
  EXPECT_TRUE(cgroups.enforcement().memory);
  EXPECT_EQ(cgroups.base_paths(), std::vector<std::string>{root_ + "/berth"});
}

TEST_F(FakeCgroups, LimitsOnV1) {
  std::vector<CgroupHierarchy> hierarchies;
  for (const char* c : {"memory", "pids", "cpu", "freezer"}) {
    put(std::string(c) + "/tasks");
    hierarchies.push_back({false, root_ + "/" + c, root_ + "/" + c, {c}});
  }
  put("memory/berth/memory.memsw.limit_in_bytes");
  Cgroups cgroups;
  cgroups.open(hierarchies, "berth");
  const Enforcement e = cgroups.enforcement();
  EXPECT_TRUE(e.memory && e.cpu && e.pids && e.pause) << e.detail;
  EXPECT_TRUE(cgroups.kill_needs_thaw());
  ASSERT_TRUE(cgroups.create("7").ok());
  put("memory/berth/7/memory.limit_in_bytes");
  put("memory/berth/7/memory.memsw.limit_in_bytes");
  put("pids/berth/7/pids.max");
  put("cpu/berth/7/cpu.shares");
  put("cpu/berth/7/cpu.cfs_quota_us");
  put("freezer/berth/7/freezer.state");
  for (const char* c : {"memory", "pids", "cpu", "freezer"}) put(std::string(c) + "/berth/7/tasks");
  EXPECT_EQ(cgroups.open_v1_tasks("7").size(), 4u);
  EXPECT_FALSE(cgroups.open_v2("7").valid());
  CgroupLimits applied;
  ASSERT_TRUE(cgroups.set_limits("7", {256 << 20, 256, 5, 64}, applied).ok());
  EXPECT_EQ(get("memory/berth/7/memory.limit_in_bytes"), "268435456");
  EXPECT_EQ(get("memory/berth/7/memory.memsw.limit_in_bytes"), "268435456");
  EXPECT_EQ(get("cpu/berth/7/cpu.shares"), "256");
  EXPECT_EQ(get("cpu/berth/7/cpu.cfs_quota_us"), "1000") << "the kernel's least";
  EXPECT_EQ(cgroups.freeze("7", true), 0);
  EXPECT_EQ(get("freezer/berth/7/freezer.state"), "FROZEN");
  EXPECT_EQ(cgroups.freeze_state("7"), FreezeState::kFrozen);
  put("memory/berth/7/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  EXPECT_EQ(cgroups.oom_kills("7"), 1u);
}

TEST_F(FakeCgroups, OnlyChangedLimitsAreWritten) {
  put("memory/tasks");
  Cgroups cgroups;
  cgroups.open({{false, root_ + "/memory", root_ + "/memory", {"memory"}}}, "berth");
  ASSERT_TRUE(cgroups.create("7").ok());
  put("memory/berth/7/memory.limit_in_bytes", "untouched");
  CgroupLimits applied;
  applied.memory_bytes = 1000;
  CgroupLimits wanted;
  wanted.memory_bytes = 1000;
  ASSERT_TRUE(cgroups.set_limits("7", wanted, applied).ok());
  EXPECT_EQ(get("memory/berth/7/memory.limit_in_bytes"), "untouched");
}

TEST_F(FakeCgroups, WhatIsMissingIsNamedWithTheMend) {
  Cgroups cgroups;
  cgroups.open({}, "berth");
  const Enforcement e = cgroups.enforcement();
  EXPECT_FALSE(e.memory || e.cpu || e.pids || e.pause);
  EXPECT_NE(e.detail.find("not enforced: memory limit, cpu limit, pids limit, pause"),
            std::string::npos);
  EXPECT_NE(e.detail.find("Delegate=yes"), std::string::npos);
  ASSERT_TRUE(cgroups.create("7").ok()) << "nothing to do is no failure";
  EXPECT_EQ(cgroups.freeze("7", true), ENOSYS);
  EXPECT_TRUE(cgroups.remove("7"));
}

TEST_F(FakeCgroups, CreateUndoesWhatItDidBeforeAFailure) {
  for (const char* c : {"memory", "pids"}) put(std::string(c) + "/tasks");
  Cgroups cgroups;
  cgroups.open({{false, root_ + "/memory", "", {"memory"}}, {false, root_ + "/pids", "", {"pids"}}},
               "berth");
  put("pids/berth/7");  // in the way
  EXPECT_FALSE(cgroups.create("7").ok());
  EXPECT_FALSE(fs::exists(root_ + "/memory/berth/7"));
}

}  // namespace
}  // namespace berth::process
