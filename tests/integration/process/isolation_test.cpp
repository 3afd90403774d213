// SPDX-License-Identifier: Apache-2.0
// What a function sees and may do in its sandbox, as root and as an ordinary user.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.hpp"

namespace berth::process::test {
namespace {

constexpr uid_t kOrdinary = 12345;

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line != "." && line != "..") lines.insert(line);
  }
  return lines;
}

// The host's view of the process that serves a probe: "Uid:" and so on of its status.
std::string host_status(const Sandboxer& sandboxer, const std::string& name) {
  // Its parent is the sandboxer and its program is the probe.
  std::ifstream children("/proc/" + std::to_string(sandboxer.pid()) + "/task/" +
                         std::to_string(sandboxer.pid()) + "/children");
  for (std::string pid; children >> pid;) {
    std::ifstream in("/proc/" + pid + "/status");
    std::stringstream text;
    text << in.rdbuf();
    if (value_of(text.str(), "Name") == name) return text.str();
  }
  return "";
}

}  // namespace

class IsolationTest : public ::testing::TestWithParam<uid_t> {
 protected:
  void SetUp() override {
    BERTH_REQUIRE(is_root(), "needs root, also to become another user");
    sandboxer_ = std::make_unique<Sandboxer>(GetParam());
    std::string message;
    const int code = sandboxer_->try_start(message);
    ASSERT_EQ(code, 0) << message;
    client_ = sandboxer_->connect();
    ASSERT_NE(client_, nullptr);
    probe_ = create_probe(*client_, *sandboxer_, "a", [](CreateRequest& r) {
      r.environment.push_back("GREETING=hello there");
    });
    ASSERT_TRUE(probe_.status.ok()) << probe_.status.to_string() << sandboxer_->log();
  }
  std::string ask_probe(const std::string& command) { return ask(probe_.socket_path, command); }
  bool privileged() const { return GetParam() == 0; }

  std::unique_ptr<Sandboxer> sandboxer_;
  std::unique_ptr<Client> client_;
  Probe probe_;
};

INSTANTIATE_TEST_SUITE_P(As, IsolationTest, ::testing::Values(0u, kOrdinary),
                         [](const auto& info) { return info.param == 0 ? "Root" : "Ordinary"; });

TEST_P(IsolationTest, RunsWithoutPower) {
  const std::string self = ask_probe("self");
  EXPECT_EQ(value_of(self, "pid"), "1");
  EXPECT_EQ(value_of(self, "uid"), "1000");
  EXPECT_EQ(value_of(self, "euid"), "1000");
  EXPECT_EQ(value_of(self, "gid"), "1000");
  EXPECT_EQ(value_of(self, "host"), "sandbox");
  EXPECT_EQ(value_of(self, "cwd"), "/tmp");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(value_of(self, set), "0000000000000000") << set;
  }
  EXPECT_EQ(value_of(self, "NoNewPrivs"), "1");
  EXPECT_EQ(value_of(self, "Seccomp"), "2");
  EXPECT_EQ(value_of(self, "SigBlk"), "0000000000000000");
  EXPECT_EQ(value_of(self, "SigIgn"), "0000000000000000");
  EXPECT_EQ(value_of(self, "nofile"), "1024");
  EXPECT_EQ(value_of(self, "core"), "1") << "neither a file nor a pipe";
  // Standard streams, the listening socket and the connection that asks; the report's own files are
  // closed by then.
  EXPECT_EQ(value_of(self, "fds"), "0 1 2 3 4 ");
}

TEST_P(IsolationTest, IsNeverTheHostsRoot) {
  EXPECT_EQ(ask_probe("hello"), "hello");
  const std::string status = host_status(*sandboxer_, "probe");
  std::istringstream uids(value_of(status, "Uid"));
  unsigned uid = 0;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(uids >> uid) << status;
    if (privileged()) {
      EXPECT_GE(uid, sandboxer_->settings.subordinate_start);
      EXPECT_EQ((uid - sandboxer_->settings.subordinate_start) % 2048, 1000u);
    } else {
      EXPECT_EQ(uid, kOrdinary);
    }
  }
  if (privileged()) EXPECT_EQ(value_of(status, "Groups"), "");
}

TEST_P(IsolationTest, TwoSandboxesShareNoHostUser) {
  if (!privileged()) return;  // an ordinary user has only one id to give
  const Probe other = create_probe(*client_, *sandboxer_, "b");
  ASSERT_TRUE(other.status.ok());
  EXPECT_EQ(ask(other.socket_path, "hello"), "hello");
  EXPECT_EQ(ask_probe("hello"), "hello");
  std::set<std::string> uids;
  std::ifstream children("/proc/" + std::to_string(sandboxer_->pid()) + "/task/" +
                         std::to_string(sandboxer_->pid()) + "/children");
  for (std::string pid; children >> pid;) {
    std::ifstream in("/proc/" + pid + "/status");
    std::stringstream text;
    text << in.rdbuf();
    if (value_of(text.str(), "Name") == "probe") uids.insert(value_of(text.str(), "Uid"));
  }
  EXPECT_EQ(uids.size(), 2u);
}

TEST_P(IsolationTest, EscapesFail) {
  const std::string report = ask_probe("escapes");
  // Refused by the filter, by missing capabilities, or because there is nothing there.
  for (const char* attempt : {"mount",          "umount",        "pivot_root", "chroot",
                              "unshare_user",   "unshare_mount", "setns",      "clone_newuser",
                              "ptrace",         "bpf",           "keyctl",     "add_key",
                              "perf",           "userfaultfd",   "io_uring",   "process_vm_readv",
                              "open_by_handle", "init_module",   "reboot",     "sethostname",
                              "settimeofday",   "swapon",        "raw_socket", "mknod"}) {
    EXPECT_EQ(value_of(report, attempt),
              attempt == std::string("clone_newuser") ? "ENOSYS" : "EPERM")
        << attempt;
  }
  for (const char* attempt : {"clone3", "packet_socket", "vsock", "netlink_audit", "personality"}) {
    EXPECT_EQ(value_of(report, attempt), "ENOSYS") << attempt;
  }
  for (const char* attempt : {"setuid0", "setgid0"}) {
    EXPECT_TRUE(value_of(report, attempt) == "EPERM" || value_of(report, attempt) == "EINVAL")
        << attempt << value_of(report, attempt);
  }
  EXPECT_NE(value_of(report, "nice"), "ok");
  for (const char* path :
       {"shadow", "root_home", "host_home", "sys", "disk", "mem", "pts", "cgroup", "fd_of_init"}) {
    EXPECT_EQ(value_of(report, path), "ENOENT") << path;
  }
  // Masked with /dev/null, or not ours to open.
  for (const char* masked : {"cat/proc/kcore", "cat/proc/keys", "cat/proc/kallsyms"}) {
    const std::string content = ask_probe(masked);
    EXPECT_TRUE(content.empty() || content == "error ENOENT") << masked << content.substr(0, 100);
  }
  for (const char* path :
       {"core_pattern", "write_usr", "write_etc", "write_root", "write_runtime"}) {
    EXPECT_TRUE(value_of(report, path) == "EROFS" || value_of(report, path) == "EACCES")
        << path << " " << value_of(report, path);
  }
  EXPECT_NE(value_of(report, "uid_map"), "(no uid_map)");
  // And what a function needs works.
  for (const char* allowed : {"write_tmp", "write_shm", "null", "urandom", "pipe"}) {
    EXPECT_EQ(value_of(report, allowed), "ok") << allowed;
  }
}

TEST_P(IsolationTest, TheRootIsAnAllowlist) {
  std::set<std::string> allowed = {"bin",    "berth", "dev", "etc",  "lib", "lib32", "lib64",
                                   "libx32", "proc",  "run", "sbin", "tmp", "usr",   "var"};
  for (const auto& name : lines_of(ask_probe("list/"))) EXPECT_TRUE(allowed.count(name)) << name;
  EXPECT_EQ(lines_of(ask_probe("list/dev")),
            (std::set<std::string>{"fd", "full", "null", "random", "shm", "stderr", "stdin",
                                   "stdout", "urandom", "zero"}));
  const std::string passwd = ask_probe("cat/etc/passwd");
  EXPECT_NE(passwd.find("berth:x:1000:1000"), std::string::npos);
  EXPECT_EQ(std::count(passwd.begin(), passwd.end(), '\n'), 3);
  EXPECT_NE(ask_probe("cat/etc/ld.so.cache"), "error ENOENT");
  EXPECT_NE(ask_probe("cat/etc/nsswitch.conf").find("hosts: files dns"), std::string::npos);
  EXPECT_EQ(ask_probe("cat/etc/resolv.conf"), "# no network\n");
  EXPECT_NE(ask_probe("list/etc/ssl/certs").find("ca-certificates.crt"), std::string::npos)
      << "TLS needs them";
  EXPECT_EQ(lines_of(ask_probe("list/run")), std::set<std::string>{});
  // Only its own processes.
  size_t processes = 0;
  for (const auto& name : lines_of(ask_probe("list/proc"))) {
    processes += std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  EXPECT_EQ(processes, 1u);
  // Nothing of the host in the mount table, and no way back up.
  const std::string mounts = ask_probe("cat/proc/self/mountinfo");
  EXPECT_EQ(mounts.find("cgroup"), std::string::npos) << mounts;
  EXPECT_EQ(mounts.find(sandboxer_->data()), std::string::npos) << mounts;
  EXPECT_NE(ask_probe("cat/proc/self/cgroup").find(":/\n"), std::string::npos);
  EXPECT_EQ(ask_probe("cat/proc/self/cgroup").find("berth-test"), std::string::npos);
}

TEST_P(IsolationTest, TheEnvironmentIsTheRequestsOnly) {
  EXPECT_EQ(
      lines_of(ask_probe("env")),
      (std::set<std::string>{"BERTH_LISTEN_FD=3", "PATH=/usr/bin:/bin", "GREETING=hello there"}));
}

TEST_P(IsolationTest, NetworkNoneHasOnlyALoopback) {
  const std::string devices = ask_probe("cat/proc/net/dev");
  EXPECT_NE(devices.find("lo:"), std::string::npos) << devices;
  EXPECT_EQ(std::count(devices.begin(), devices.end(), ':'), 1) << devices;
  // The host's abstract sockets are out of reach.
  const std::string name = "berth-isolation-" + std::to_string(::getpid());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_EQ(value_of(ask_probe("abstract/" + name), "abstract"), "ECONNREFUSED");

  sandboxer_->settings.network = Network::kHost;
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_->settings).status.ok());
  const Probe host = create_probe(*client_, *sandboxer_, "h");
  ASSERT_TRUE(host.status.ok()) << host.status.to_string();
  EXPECT_EQ(value_of(ask(host.socket_path, "abstract/" + name), "abstract"), "ok")
      << "network host is the host's";
  EXPECT_EQ(ask(host.socket_path, "cat/etc/resolv.conf").find("# no network"), std::string::npos);
}

TEST_P(IsolationTest, SaysWhatIsEnforced) {
  const StatsReply stats = client_->stats();
  EXPECT_EQ(stats.enforcement.privileged, privileged());
  EXPECT_EQ(stats.enforcement.memory, privileged());
  EXPECT_EQ(stats.enforcement.pause, privileged());
  const auto paused = client_->call(MessageType::kPause, SandboxRequest{probe_.id}).status;
  if (privileged()) {
    EXPECT_TRUE(paused.ok()) << paused.to_string();
    return;
  }
  EXPECT_EQ(paused.code(), sdk::StatusCode::kUnimplemented);
  EXPECT_NE(
      stats.enforcement.detail.find("not enforced: memory limit, cpu limit, pids limit, pause"),
      std::string::npos)
      << stats.enforcement.detail;
  EXPECT_NE(stats.enforcement.detail.find("Delegate=yes"), std::string::npos)
      << "names the mend: " << stats.enforcement.detail;
}

TEST_P(IsolationTest, ProcessesAreLimitedEvenWithoutCgroups) {
  const Probe p = create_probe(*client_, *sandboxer_, "b", [](CreateRequest& r) { r.pids = 20; });
  ASSERT_TRUE(p.status.ok());
  const std::string report = ask(p.socket_path, "forks/100");
  EXPECT_EQ(value_of(report, "error"), "EAGAIN");
  EXPECT_LT(std::stoi(value_of(report, "made")), 20);
}

TEST_P(IsolationTest, LifeAndLogsWorkAlike) {
  ask_probe("print/out");
  EXPECT_EQ(read_output(*client_, probe_.id).out, "out\n");
  ask_probe("exit/9");
  const auto died = client_->wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->exit_code, 9);
  EXPECT_TRUE(client_->call(MessageType::kDestroy, SandboxRequest{probe_.id}).status.ok());
}

TEST_P(IsolationTest, InterpretersRun) {
  for (const auto& [program, script] :
       {std::pair{std::string("/usr/bin/python3"),
                  std::string("import sys,os,ssl,json,ctypes,threading,tempfile,multiprocessing\n"
                              "threading.Thread(target=lambda: None).start()\n"
                              "multiprocessing.Lock()\n"
                              "tempfile.TemporaryFile().write(b'x')\n"
                              "print('uid', os.getuid(), len(ssl.create_default_context()"
                              ".get_ca_certs()) > 10)")},
        std::pair{std::string("/usr/bin/node"),
                  std::string("const os=require('os');require('worker_threads');"
                              "require('fs').writeFileSync('/tmp/x','y');"
                              "console.log('uid', process.getuid(), os.cpus().length > 0)")}}) {
    if (::access(program.c_str(), X_OK) != 0) continue;
    const bool python = program.find("python") != std::string::npos;
    const Probe p =
        create_probe(*client_, *sandboxer_, python ? "py" : "js", [&](CreateRequest& r) {
          r.argv = {program, python ? "-c" : "-e", script};
          r.memory_bytes = 256 << 20;
        });
    ASSERT_TRUE(p.status.ok()) << p.status.to_string();
    const auto died = client_->wait_died();
    ASSERT_NE(died, nullptr);
    const Output output = read_output(*client_, p.id);
    EXPECT_EQ(died->exit_code, 0) << output.err;
    EXPECT_EQ(output.out, python ? "uid 1000 True\n" : "uid 1000 true\n") << output.err;
    EXPECT_EQ(output.err, "");
  }
}

}  // namespace berth::process::test
