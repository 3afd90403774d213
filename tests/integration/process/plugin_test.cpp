// SPDX-License-Identifier: Apache-2.0
// libberth_process.so through the raw C tables, as berthd drives it.
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "harness.hpp"
#include "raw_host.hpp"

namespace berth::process::test {
namespace fs = std::filesystem;

class PluginTest : public ::testing::Test {
 protected:
  void SetUp() override { BERTH_REQUIRE(is_root(), "needs root for cgroups"); }
  void TearDown() override {
    if (sandboxer_.running()) {
      if (auto client = sandboxer_.connect_plain()) {
        client->call(MessageType::kShutdown, Shutdown{true});
      }
    }
  }
  std::string config(const std::string& more = "") const {
    return R"({"sandboxer":")" + build_directory() +
           R"(/bin/berth-sandboxer","runtimes_directory":")" + sandboxer_.runtimes() +
           R"(","images":{"test/probe":"probe","test/missing":"missing","test/nothing":"nothing"},)"
           R"("commands":{"probe":["{runtime}/probe"],"missing":["{runtime}/none"]},"prepared":1)" +
           more + "}";
  }
  std::unique_ptr<Plugin> open(const std::string& more = "") {
    auto plugin = std::make_unique<Plugin>(sandboxer_.data(), sandboxer_.runtime(), config(more));
    EXPECT_EQ(plugin->open_code, BERTH_OK) << plugin->host.open_error;
    return plugin;
  }
  std::unique_ptr<Plugin> started(const std::string& more = "") {
    auto plugin = open(more);
    const Result r = plugin->start();
    EXPECT_EQ(r.code, BERTH_OK) << r.message << sandboxer_.log();
    return plugin;
  }

  Sandboxer sandboxer_;  // only its directories; the plugin starts the program
};

TEST_F(PluginTest, RunsAFunctionFromCreateToDestroy) {
  auto plugin = started();
  const Result created = plugin->create("berth-test-1");
  ASSERT_EQ(created.code, BERTH_OK) << created.message;
  EXPECT_EQ(created.container.name, "berth-test-1");
  EXPECT_EQ(created.container.state, BERTH_CONTAINER_RUNNING);
  EXPECT_FALSE(created.container.token.empty());
  ASSERT_EQ(created.container.address.substr(0, 5), "unix:");
  EXPECT_LE(created.container.path().size(), 107u);
  const std::string path = created.container.path();
  EXPECT_EQ(ask(path, "hello"), "hello");
  const std::string environment = ask(path, "env");
  EXPECT_EQ(value_of(environment, "__OW_API_HOST"), "http://api");
  EXPECT_EQ(value_of(environment, "BERTH_LISTEN_FD"), "3");
  EXPECT_EQ(value_of(environment, "HOME"), "/tmp");
  EXPECT_EQ(plugin->destroy(created.container.id).code, BERTH_OK);
  EXPECT_EQ(plugin->destroy(created.container.id).code, BERTH_NOT_FOUND);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(plugin->stop(BERTH_STOP_KILL).code, BERTH_OK);
  EXPECT_TRUE(eventually([&] { return !sandboxer_.running(); }));
}

TEST_F(PluginTest, TellsWhyAnImageCannotRun) {
  auto plugin = started();
  const Result unmapped = plugin->create("a", "docker.io/somebody/thing:latest");
  EXPECT_EQ(unmapped.code, BERTH_NOT_FOUND);
  EXPECT_EQ(unmapped.flags & BERTH_STATUS_USER_ERROR, BERTH_STATUS_USER_ERROR);
  EXPECT_NE(unmapped.message.find("docker.io/somebody/thing:latest"), std::string::npos);
  EXPECT_NE(unmapped.message.find("[plugin.process.images]"), std::string::npos);
  const Result no_command = plugin->create("a", "test/nothing");
  EXPECT_EQ(no_command.code, BERTH_FAILED_PRECONDITION);
  EXPECT_EQ(no_command.flags & BERTH_STATUS_USER_ERROR, 0u);
  const Result missing = plugin->create("a", "test/missing:1.0");
  EXPECT_EQ(missing.code, BERTH_FAILED_PRECONDITION);
  EXPECT_NE(missing.message.find("/berth/runtimes/missing/none"), std::string::npos);
  EXPECT_EQ(plugin->create("a", "registry.example.org:5000/test/probe:1.0").code, BERTH_OK)
      << "registry and tag do not matter";
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, ReadsLogsByLine) {
  auto plugin = started();
  const Container c = plugin->create("a").container;
  ask(c.path(), "print/one");
  ask(c.path(), "warn/two");
  Result logs = plugin->logs(c.id);
  while (logs.lines.size() < 2 && logs.code == BERTH_OK) logs = plugin->logs(c.id);
  EXPECT_EQ(logs.out, "one\n");
  EXPECT_EQ(logs.err, "two\n");
  // A line in two pieces.
  ask(c.path(), "part/begin");
  Result part = plugin->logs(c.id, logs.next_cursor, 60'000);
  EXPECT_EQ(part.lines, (std::vector<std::string>{"begin~"}));
  ask(c.path(), "print/-end");
  part = plugin->logs(c.id, part.next_cursor, 60'000);
  EXPECT_EQ(part.lines, (std::vector<std::string>{"-end"}));
  // Nothing new: OK and empty at the deadline, and the cursor stays.
  const Result nothing = plugin->logs(c.id, part.next_cursor, 20);
  EXPECT_EQ(nothing.code, BERTH_OK);
  EXPECT_TRUE(nothing.lines.empty());
  EXPECT_EQ(nothing.next_cursor, part.next_cursor);
  // Cancelled: answered although the deadline is far.
  const berth_op waiting = plugin->begin_logs(c.id, part.next_cursor, in_ms(3'600'000));
  plugin->cancel(waiting);
  EXPECT_TRUE(plugin->host.wait(waiting).lines.empty());
  EXPECT_EQ(plugin->logs(c.id, "rubbish").code, BERTH_INVALID_ARGUMENT);
  EXPECT_EQ(plugin->logs(c.id, "999999999.0").code, BERTH_OUT_OF_RANGE);
  EXPECT_EQ(plugin->logs("nobody").code, BERTH_NOT_FOUND);
  ask(c.path(), "exit/0");
  EXPECT_NE(plugin->host.wait_died(), nullptr);
  EXPECT_TRUE(plugin->logs(c.id, part.next_cursor).ended);
  plugin->stop(BERTH_STOP_KILL);
}

// Open files of this process by which a cgroup is frozen.
size_t open_freezers() {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(entry.path(), gone).string();
    count += target.ends_with("/cgroup.freeze") || target.ends_with("/freezer.state") ? 1 : 0;
  }
  return count;
}

TEST_F(PluginTest, KeepsWhatPausesOneOpenUntilItIsGone) {
  auto plugin = started();
  std::vector<Container> containers;
  for (const char* name : {"a", "b", "c"}) containers.push_back(plugin->create(name).container);
  EXPECT_EQ(open_freezers(), 0u);
  for (int again = 0; again < 2; ++again) {
    for (const Container& c : containers) ASSERT_EQ(plugin->pause(c.id).code, BERTH_OK);
    EXPECT_EQ(open_freezers(), 3u);
    for (const Container& c : containers) ASSERT_EQ(plugin->resume(c.id).code, BERTH_OK);
    EXPECT_EQ(open_freezers(), 3u);
    for (const Container& c : containers) EXPECT_EQ(ask(c.path(), "hello"), "hello");
  }
  // A second one is an answer, too, and so is a pause that a list comes after.
  EXPECT_EQ(plugin->resume(containers[0].id).code, BERTH_OK);
  ASSERT_EQ(plugin->pause(containers[0].id).code, BERTH_OK);
  EXPECT_EQ(plugin->list("", 3).containers.at(0).state, BERTH_CONTAINER_PAUSED);
  EXPECT_EQ(plugin->resume(containers[0].id).code, BERTH_OK);
  EXPECT_EQ(ask(containers[0].path(), "hello"), "hello");
  // What is destroyed or dies by itself takes it along.
  ASSERT_EQ(plugin->pause(containers[1].id).code, BERTH_OK);
  EXPECT_EQ(plugin->destroy(containers[1].id).code, BERTH_OK);
  const size_t left = open_freezers();
  ASSERT_EQ(plugin->pause(containers[2].id).code, BERTH_OK);
  ASSERT_EQ(plugin->resume(containers[2].id).code, BERTH_OK);
  EXPECT_EQ(open_freezers(), left);
  ask(containers[2].path(), "exit/5");
  ASSERT_NE(plugin->host.wait_died(), nullptr);
  EXPECT_EQ(open_freezers(), left - 1);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, ReportsDeathsPausesAndListsInPages) {
  auto plugin = started();
  std::vector<Container> containers;
  for (const char* name : {"a", "b", "c"}) containers.push_back(plugin->create(name).container);
  EXPECT_EQ(plugin->pause(containers[1].id).code, BERTH_OK);
  ask(containers[2].path(), "exit/5");
  const auto died = plugin->host.wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->id, containers[2].id);
  EXPECT_EQ(died->exit_code, 5);
  EXPECT_FALSE(died->oom);
  const Result first = plugin->list("", 2);
  ASSERT_EQ(first.containers.size(), 2u);
  EXPECT_EQ(first.containers[0].state, BERTH_CONTAINER_RUNNING);
  EXPECT_EQ(first.containers[1].state, BERTH_CONTAINER_PAUSED);
  ASSERT_FALSE(first.next_cursor.empty());
  const Result second = plugin->list(first.next_cursor, 2);
  ASSERT_EQ(second.containers.size(), 1u);
  EXPECT_EQ(second.containers[0].state, BERTH_CONTAINER_DEAD);
  EXPECT_EQ(second.next_cursor, "");
  EXPECT_EQ(plugin->list("x", 2).code, BERTH_INVALID_ARGUMENT);
  EXPECT_EQ(plugin->resume(containers[1].id).code, BERTH_OK);
  EXPECT_EQ(plugin->list("", 2).containers.at(1).state, BERTH_CONTAINER_RUNNING);
  EXPECT_EQ(ask(containers[1].path(), "hello"), "hello");
  EXPECT_EQ(plugin->resume("nobody").code, BERTH_NOT_FOUND);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, TellsItsCapacity) {
  auto plugin = started();
  const Result r = plugin->capacity();
  EXPECT_EQ(r.code, BERTH_OK);
  EXPECT_EQ(r.capacity.features, BERTH_CAPACITY_PAUSE | BERTH_CAPACITY_MEMORY_ENFORCED |
                                     BERTH_CAPACITY_CPU_ENFORCED | BERTH_CAPACITY_PIDS_ENFORCED)
      << r.detail;
  EXPECT_GT(r.capacity.memory_bytes, r.capacity.memory_free_bytes);
  EXPECT_GT(r.capacity.cpu_millis, 0);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, ALivingContainerIsGivenMoreMemoryAndTellsWhatItUses) {
  constexpr int64_t kMb = 1 << 20;
  auto plugin = started();
  const Container c = plugin->create("a").container;
  ASSERT_EQ(ask(c.path(), "hello"), "hello");
  const Result before = plugin->stats(c.id);
  ASSERT_EQ(before.code, BERTH_OK) << before.message;
  EXPECT_EQ(before.stats.memory_limit_bytes, 128 * kMb);
  EXPECT_GE(before.stats.memory_bytes, 0);
  EXPECT_LT(before.stats.memory_bytes, 128 * kMb);
  EXPECT_GE(before.stats.pids, 1);
  EXPECT_GT(before.stats.cpu_ns, 0);
  const Result resized = plugin->resize(c.id, 320 * kMb, 512);
  ASSERT_EQ(resized.code, BERTH_OK) << resized.message;
  EXPECT_EQ(ask(c.path(), "alloc/200"), "allocated") << "more than it was created with";
  const Result after = plugin->stats(c.id);
  EXPECT_EQ(after.stats.memory_limit_bytes, 320 * kMb);
  EXPECT_GT(after.stats.memory_bytes, 190 * kMb);
  EXPECT_GT(after.stats.cpu_ns, before.stats.cpu_ns);
  // Less than it uses would kill it.
  EXPECT_EQ(plugin->resize(c.id, 64 * kMb).code, BERTH_FAILED_PRECONDITION);
  EXPECT_EQ(plugin->stats(c.id).stats.memory_limit_bytes, 320 * kMb);
  // A frozen one, too.
  ASSERT_EQ(plugin->pause(c.id).code, BERTH_OK);
  EXPECT_EQ(plugin->resize(c.id, 256 * kMb).code, BERTH_OK);
  EXPECT_GT(plugin->stats(c.id).stats.memory_bytes, 190 * kMb);
  ASSERT_EQ(plugin->resume(c.id).code, BERTH_OK);
  // And the new limit is one.
  ask(c.path(), "alloc/200", false);
  const auto died = plugin->host.wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_TRUE(died->oom);
  EXPECT_EQ(plugin->resize(c.id, 512 * kMb).code, BERTH_FAILED_PRECONDITION);
  EXPECT_EQ(plugin->stats(c.id).code, BERTH_NOT_FOUND);
  EXPECT_EQ(plugin->resize("nobody", 512 * kMb).code, BERTH_NOT_FOUND);
  EXPECT_EQ(plugin->stats("nobody").code, BERTH_NOT_FOUND);
  EXPECT_EQ(plugin->resize(c.id, 1).code, BERTH_FAILED_PRECONDITION);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, DrainRefusesNewOnes) {
  auto plugin = started();
  const berth_op creating = plugin->begin_create("a", "test/probe");
  EXPECT_EQ(plugin->drain().code, BERTH_OK);
  EXPECT_EQ(plugin->host.wait(creating).code, BERTH_OK) << "what was begun is finished";
  EXPECT_EQ(plugin->create("b").code, BERTH_UNAVAILABLE);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, DetachesAndAdopts) {
  Container c;
  {
    auto plugin = started();
    c = plugin->create("a").container;
    ask(c.path(), "print/first-life");
    EXPECT_EQ(plugin->stop(BERTH_STOP_DETACH).code, BERTH_OK);
  }
  EXPECT_EQ(ask(c.path(), "hello"), "hello");
  auto plugin = started();
  const Result list = plugin->list();
  ASSERT_EQ(list.containers.size(), 1u);
  EXPECT_EQ(list.containers[0].token, c.token);
  EXPECT_EQ(list.containers[0].address, c.address);
  EXPECT_EQ(plugin->logs(list.containers[0].id).out, "first-life\n");
  EXPECT_EQ(plugin->create("a").code, BERTH_ALREADY_EXISTS);
  EXPECT_EQ(plugin->destroy(list.containers[0].id).code, BERTH_OK);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, SandboxesOutliveASigkilledHost) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    // The threads of this copy are its own: the plugin is opened after the fork.
    auto plugin = started();
    const std::string address = plugin->create("a").container.address;
    (void)!::write(fds[1], address.data(), address.size());
    ::pause();
    ::_exit(1);
  }
  char buffer[256];
  const ssize_t n = ::read(fds[0], buffer, sizeof(buffer));
  ASSERT_GT(n, 5);
  const std::string address(buffer, static_cast<size_t>(n));
  EXPECT_EQ(ask(address.substr(5), "hello"), "hello");
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(fds[0]);
  ::close(fds[1]);
  auto plugin = started();
  const Result list = plugin->list();
  ASSERT_EQ(list.containers.size(), 1u);
  EXPECT_EQ(list.containers[0].address, address);
  EXPECT_EQ(ask(address.substr(5), "hello"), "hello");
  ask(address.substr(5), "exit/4");
  const auto died = plugin->host.wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->exit_code, 4);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, ALostSandboxerIsReportedAndReplaced) {
  auto plugin = started();
  const Container c = plugin->create("a").container;
  ::kill(sandboxer_.pid(), SIGKILL);
  const auto died = plugin->host.wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->id, c.id);
  EXPECT_EQ(died->exit_code, -1);
  Result again;
  EXPECT_TRUE(eventually([&] {
    again = plugin->create("b");
    EXPECT_TRUE(again.code == BERTH_OK ||
                (again.code == BERTH_UNAVAILABLE && (again.flags & BERTH_STATUS_RETRYABLE) != 0))
        << again.message;
    return again.code == BERTH_OK;
  }));
  EXPECT_EQ(ask(again.container.path(), "hello"), "hello");
  EXPECT_EQ(plugin->destroy(c.id).code, BERTH_NOT_FOUND);
  EXPECT_NE(again.container.id, c.id);
  EXPECT_FALSE(fs::exists(c.path())) << "dead sockets are removed";
  EXPECT_NE(plugin->host.log_text().find("berth-sandboxer has died"), std::string::npos);
  plugin->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, TwoGenerationsShareOneSandboxer) {
  auto older = started();
  const Container c = older->create("a").container;
  auto newer = started();
  ASSERT_EQ(newer->list().containers.size(), 1u);
  ask(c.path(), "exit/6");
  const auto died = newer->host.wait_died();
  ASSERT_NE(died, nullptr) << "whoever listed it last owns it";
  EXPECT_EQ(died->exit_code, 6);
  EXPECT_EQ(older->stop(BERTH_STOP_DETACH).code, BERTH_OK);
  older.reset();
  EXPECT_EQ(newer->create("b").code, BERTH_OK);
  newer->stop(BERTH_STOP_KILL);
}

TEST_F(PluginTest, WhatCannotStartSaysWhy) {
  Plugin no_program(sandboxer_.data(), sandboxer_.runtime(), R"({"sandboxer":"/nonexistent"})");
  ASSERT_EQ(no_program.open_code, BERTH_OK);
  const Result r = no_program.start();
  EXPECT_EQ(r.code, BERTH_FAILED_PRECONDITION);
  EXPECT_NE(r.message.find("/nonexistent"), std::string::npos) << r.message;
  EXPECT_NE(r.message.find("plugin.process.sandboxer"), std::string::npos) << r.message;
  EXPECT_EQ(no_program.create("a").code, BERTH_NOT_FOUND) << "its image is not mapped here";
  EXPECT_EQ(no_program.capacity().code, BERTH_UNAVAILABLE);

  Plugin bad(sandboxer_.data(), sandboxer_.runtime(), R"({"detach_ttl":"soon"})");
  EXPECT_EQ(bad.open_code, BERTH_INVALID_ARGUMENT);
  EXPECT_NE(bad.host.open_error.find("plugin.process.detach_ttl"), std::string::npos);

  Plugin no_runtimes(sandboxer_.data(), sandboxer_.runtime(),
                     R"({"runtimes_directory":"/nonexistent","sandboxer":")" + build_directory() +
                         R"(/bin/berth-sandboxer"})");
  ASSERT_EQ(no_runtimes.open_code, BERTH_OK);
  const Result missing = no_runtimes.start();
  EXPECT_NE(missing.code, BERTH_OK);
  EXPECT_NE(missing.message.find("/nonexistent"), std::string::npos) << missing.message;
}

TEST_F(PluginTest, ALongRuntimeDirectoryIsReplacedByAShortOne) {
  const std::string long_runtime = sandboxer_.runtime() + "/" + std::string(100, 'x');
  fs::create_directory(long_runtime);
  ::chmod(long_runtime.c_str(), 0700);
  Plugin plugin(sandboxer_.data(), long_runtime, config());
  ASSERT_EQ(plugin.open_code, BERTH_OK) << plugin.host.open_error;
  ASSERT_EQ(plugin.start().code, BERTH_OK);
  const Container c = plugin.create("a").container;
  EXPECT_EQ(ask(c.path(), "hello"), "hello");
  const std::string directory = c.path().substr(0, c.path().rfind('/'));
  struct stat info {};
  ASSERT_EQ(::stat(directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(plugin.stop(BERTH_STOP_KILL).code, BERTH_OK);
  EXPECT_TRUE(eventually([&] { return !sandboxer_.running(); }));
  fs::remove_all(directory);
}

TEST_F(PluginTest, CallsFromManyThreads) {
  auto plugin = started();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        const Result r = plugin->create("t" + std::to_string(t) + "-" + std::to_string(i));
        if (r.code != BERTH_OK) continue;
        if (ask(r.container.path(), "hello") != "hello") continue;
        if (plugin->destroy(r.container.id).code == BERTH_OK) ++good;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, 40);
  EXPECT_TRUE(plugin->list().containers.empty());
  plugin->stop(BERTH_STOP_KILL);
}

}  // namespace berth::process::test
