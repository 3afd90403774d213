// SPDX-License-Identifier: Apache-2.0
// A hostile function (abuses.c) in its sandbox, as root and as an ordinary user: what it tries
// fails or is limited, other sandboxes and the sandboxer go on, and the host is as it was.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <set>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.hpp"

namespace berth::process::test {
namespace fs = std::filesystem;

namespace {

constexpr uid_t kOrdinary = 12345;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The real user ids of all the host's processes that are in `from`..`to`, as "pid name" lines.
std::set<std::string> processes_of(uint64_t from, uint64_t to) {
  std::set<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string status = text_of(entry.path() / "status");
    // Dead, and a matter of whoever is to wait for it.
    if (value_of(status, "State")[0] == 'Z') continue;
    const std::string uid = value_of(status, "Uid");
    if (uid.empty() || uid[0] < '0' || uid[0] > '9') continue;  // it has ended meanwhile
    const uint64_t number = std::stoull(uid);
    if (number >= from && number <= to) found.insert(pid + " " + value_of(status, "Name"));
  }
  return found;
}

}  // namespace

class AbuseTest : public ::testing::TestWithParam<uid_t> {
 protected:
  // What others mount meanwhile (a test of a container engine beside this one) is none of its
  // business.
  static void SetUpTestSuite() {
    if (!is_root()) return;
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }
  void SetUp() override {
    BERTH_REQUIRE(is_root(), "needs root, also to become another user");
    mounts_ = text_of("/proc/self/mountinfo");
    sandboxer_ = std::make_unique<Sandboxer>(GetParam());
    // A range of the test's own, so that its processes are told from others'.
    sandboxer_->settings.subordinate_start =
        1'879'048'192u + static_cast<uint32_t>(::getpid() % 1000) * 65536u;
    sandboxer_->settings.subordinate_count = 65536;
    sandboxer_->settings.writable_inodes = 2000;
    std::string message;
    const int code = sandboxer_->try_start(message);
    ASSERT_EQ(code, 0) << message;
    client_ = sandboxer_->connect();
    ASSERT_NE(client_, nullptr);
    neighbour_ = create_probe(*client_, *sandboxer_, "neighbour");
    probe_ = create_probe(*client_, *sandboxer_, "hostile", [](CreateRequest& r) {
      // Room for the kernel's part of all those processes: it is their number that bounds them.
      r.memory_bytes = 512 << 20;
      r.pids = 40;
    });
    ASSERT_TRUE(probe_.status.ok()) << probe_.status.to_string() << sandboxer_->log();
  }
  void TearDown() override {
    if (client_ == nullptr) return;
    EXPECT_EQ(ask(neighbour_.socket_path, "hello"), "hello") << "another sandbox must not notice";
    EXPECT_TRUE(sandboxer_->running());
    const uint64_t first = sandboxer_->settings.subordinate_start;
    const std::string cgroups = text_of(sandboxer_->data() + "/sandboxer.cgroups");
    for (const auto& probe : {probe_, neighbour_}) {
      EXPECT_TRUE(client_->call(MessageType::kDestroy, SandboxRequest{probe.id}).status.ok());
    }
    sandboxer_.reset();
    client_.reset();
    const auto left = [&] {
      return privileged() ? processes_of(first, first + 65535) : processes_of(kOrdinary, kOrdinary);
    };
    EXPECT_TRUE(eventually([&] { return left().empty(); })) << *left().begin();
    std::istringstream bases(cgroups);
    for (std::string base; std::getline(bases, base);) EXPECT_FALSE(fs::exists(base)) << base;
    EXPECT_EQ(text_of("/proc/self/mountinfo"), mounts_);
  }
  bool privileged() const { return GetParam() == 0; }
  std::string report(const std::string& what) { return ask(probe_.socket_path, "abuse/" + what); }
  // Each name must have failed with one of these.
  void expect(const std::string& text, std::initializer_list<const char*> names,
              std::initializer_list<const char*> errors) {
    for (const char* name : names) {
      const std::string value = value_of(text, name);
      EXPECT_TRUE(std::find(errors.begin(), errors.end(), value) != errors.end())
          << name << ": " << value;
    }
  }

  std::string mounts_;
  std::unique_ptr<Sandboxer> sandboxer_;
  std::unique_ptr<Client> client_;
  Probe neighbour_, probe_;
};

INSTANTIATE_TEST_SUITE_P(As, AbuseTest, ::testing::Values(0u, kOrdinary),
                         [](const auto& info) { return info.param == 0 ? "Root" : "Ordinary"; });

TEST_P(AbuseTest, WritesToTheKernelAndToPrograms) {
  const std::string text = report("writes");
  expect(text, {"core_pattern", "modprobe", "drop_caches", "ip_forward", "hostname", "ns_last_pid"},
         {"EROFS", "EACCES", "ENOENT"});
  expect(text, {"uid_map", "gid_map", "setgroups", "oom_score"}, {"EPERM", "EACCES", "ENOENT"});
  expect(text, {"irq", "mtrr", "cgroup_release", "uevent", "sysrq"},
         {"ENOENT", "EACCES", "EROFS", "EPERM"});
  expect(text, {"exe", "exe_of_first", "runtime", "exe_reopened"}, {"EROFS", "ETXTBSY", "EACCES"});
  expect(text, {"host_by_cwd"}, {"EROFS", "EACCES", "ENOENT"});
  // What programs need.
  expect(text, {"null", "stdout"}, {"ok"});
  EXPECT_EQ(read_output(*client_, probe_.id).out, "written to /dev/stdout\n");
}

TEST_P(AbuseTest, MountsAndWaysOut) {
  const std::string text = report("mounts");
  expect(text,
         {"fsopen", "open_tree", "move_mount", "mount_setattr", "remount", "fanotify", "quotactl",
          "setns_own", "unshare_net"},
         {"EPERM"});
  expect(text, {"through_link"}, {"ENOENT", "EACCES"});
  // No program with another's power would have it here.
  std::istringstream lines(ask(probe_.socket_path, "cat/proc/self/mountinfo"));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_NE(line.find("nosuid"), std::string::npos) << line;
  }
}

TEST_P(AbuseTest, DeviceNodes) {
  const std::string text = report("devices");
  expect(text, {"mem", "disk", "kvm"}, {"EPERM"});
  expect(text, {"in_dev", "remove_null", "chmod_null"}, {"EROFS", "EACCES", "EPERM"});
  expect(text, {"fifo"}, {"ok"});
  struct stat info {};
  ASSERT_EQ(::stat("/dev/null", &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0666u);
}

TEST_P(AbuseTest, SocketsAndInterfaces) {
  const std::string text = report("networks");
  expect(text, {"raw", "raw6", "loopback_down", "new_link"}, {"EPERM"});
  expect(text, {"packet", "alg", "bluetooth", "netfilter", "xfrm"}, {"ENOSYS"});
}

TEST_P(AbuseTest, OtherProcessesAndSignals) {
  const std::string text = report("processes");
  expect(text, {"attach_first", "read_first", "write_first", "kcmp", "pidfd_getfd"}, {"EPERM"});
  EXPECT_EQ(value_of(text, "foreign_pids"), "0");
  expect(text, {"kill_all"}, {"ok"});
  expect(text, {"kill_all_again", "sigio_to_parent"}, {"ESRCH"});
  expect(text, {"realtime", "nice"}, {"EPERM", "EACCES"});
}

TEST_P(AbuseTest, LimitsStay) {
  const std::string text = report("limits");
  expect(text, {"raise_files", "raise_memlock"}, {"EPERM"});
  // These say yes, and the limit stays: there is never a core file, nor a crash handler's run.
  expect(text, {"raise_core", "zero_core", "zero_core_other_call"}, {"ok"});
  EXPECT_EQ(value_of(text, "core"), "1");
  expect(text, {"queue"}, {"EMFILE", "ENOSYS", "ENOMEM"});
  expect(text, {"mlock"}, {"ENOMEM", "EPERM", "EAGAIN"});
}

TEST_P(AbuseTest, WhatOthersHaveReadIsNotTold) {
  const std::string text = report("timing");
  expect(text, {"cachestat", "aio_setup", "aio"}, {"ENOSYS"});
  expect(text, {"nowait"}, {"EOPNOTSUPP"});
  expect(text, {"read"}, {"ok"});
  EXPECT_EQ(value_of(text, "mincore"), "1") << "the kernel says yes to all that are not ours";
  expect(text, {"perf"}, {"EPERM"});
}

TEST_P(AbuseTest, BombsOfFilesAndDescriptors) {
  std::string text = report("files");
  EXPECT_LE(std::stoul(value_of(text, "inodes")), 2000u);
  EXPECT_EQ(value_of(text, "inodes_end"), "ENOSPC");
  text = report("descriptors");
  EXPECT_LE(std::stoul(value_of(text, "descriptors")), 1024u);
  EXPECT_EQ(value_of(text, "descriptors_end"), "EMFILE");
}

TEST_P(AbuseTest, AForkBombIsBoundedAndDestroyed) {
  EXPECT_EQ(report("bomb"), "lit\n");
  const uint64_t first = sandboxer_->settings.subordinate_start;
  const auto burning = [&] {
    const auto all =
        privileged() ? processes_of(first, first + 65535) : processes_of(kOrdinary, kOrdinary);
    return std::count_if(all.begin(), all.end(),
                         [](const std::string& p) { return p.ends_with(" probe"); });
  };
  // Bounded by the number, or ended, as the kernel's part of them may fill its memory: then only
  // the neighbour is left.
  EXPECT_TRUE(eventually([&] { return burning() >= 35 || burning() <= 1; })) << burning();
  // The limit, the neighbour and its thread's.
  EXPECT_LE(burning(), 42);
  EXPECT_EQ(ask(neighbour_.socket_path, "hello"), "hello");
}

TEST_P(AbuseTest, MemoryIsCountedHoweverItIsTaken) {
  if (!privileged()) GTEST_SKIP() << "not enforced without a cgroup, which is said at start";
  for (const char* how : {"anonymous", "memfd", "shm", "tmp"}) {
    const Probe p = create_probe(*client_, *sandboxer_, std::string("m-") + how,
                                 [](CreateRequest& r) { r.memory_bytes = 64 << 20; });
    ASSERT_TRUE(p.status.ok());
    EXPECT_EQ(ask(p.socket_path, std::string("abuse/memory-") + how), "") << how;
    const auto died = client_->wait_died();
    ASSERT_NE(died, nullptr) << how;
    EXPECT_TRUE(died->oom) << how;
    EXPECT_TRUE(client_->call(MessageType::kDestroy, SandboxRequest{p.id}).status.ok());
  }
}

TEST_P(AbuseTest, NoFileOfAnotherIsInReach) {
  EXPECT_NE(ask(neighbour_.socket_path, "escapes"), "");  // it writes /tmp/x
  EXPECT_NE(ask(neighbour_.socket_path, "list/tmp").find("x\n"), std::string::npos);
  EXPECT_EQ(ask(probe_.socket_path, "list/tmp").find("x\n"), std::string::npos);
  for (const char* place : {"list/proc/9", "list/root", "list/home", "list/berth/empty/x"}) {
    EXPECT_EQ(ask(probe_.socket_path, place), "error ENOENT") << place;
  }
}

}  // namespace berth::process::test
