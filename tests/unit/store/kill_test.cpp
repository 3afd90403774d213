// SPDX-License-Identifier: Apache-2.0
// kill -9 at any moment: what the store said to be written is there, and the file is whole.
#include <algorithm>
#include <fcntl.h>
#include <map>
#include <random>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Kill : public StoreTest {
 protected:
  // Runs the child until it has said `lines` lines, kills it, and returns all that it said.
  std::vector<std::string> run_and_kill(unsigned long base, std::size_t lines) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(fds[1], STDOUT_FILENO);
      const std::string number = std::to_string(base);
      ::execl(BERTH_KILL_CHILD, BERTH_KILL_CHILD, file().c_str(), number.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(fds[1]);
    std::string text;
    std::size_t seen = 0;
    bool killed = false;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::read(fds[0], buffer, sizeof buffer);
      if (got <= 0) break;
      text.append(buffer, static_cast<std::size_t>(got));
      seen += static_cast<std::size_t>(std::count(buffer, buffer + got, '\n'));
      if (seen >= lines && !killed) {
        ::kill(child, SIGKILL);
        killed = true;
      }
    }
    ::close(fds[0]);
    int exit = 0;
    ::waitpid(child, &exit, 0);
    EXPECT_TRUE(WIFSIGNALED(exit)) << "the child ended by itself: " << exit << "\n" << text;
    std::vector<std::string> said;
    std::istringstream stream(text);
    // A last line without its end may be cut: it does not count.
    for (std::string line; std::getline(stream, line) && !stream.eof();) said.push_back(line);
    return said;
  }
};

TEST_F(Kill, WhatWasAcknowledgedIsThere) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, std::uint64_t> actions;
  std::vector<std::string> records;
  unsigned long state = 0;
  constexpr int kRounds = 12;
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t lines = 1 + random() % 400;
    for (const std::string& line : run_and_kill(1'000'000ul * (round + 1), lines)) {
      std::istringstream fields(line);
      std::string what;
      std::string name;
      std::uint64_t version = 0;
      fields >> what >> name >> version;
      if (what == "a") {
        actions[name] = version;
      } else if (what == "r") {
        records.push_back(name);
      } else if (what == "s") {
        state = std::stoul(name);
      } else {
        FAIL() << line;
      }
    }
    open();
    for (const auto& [path, revision] : actions) {
      const auto action = get(path);
      ASSERT_TRUE(action) << path << ": " << action.error().to_string();
      ASSERT_EQ((*action)->revision, revision);
      const unsigned long number = std::stoul(path.substr(path.find("/a") + 2));
      ASSERT_EQ((*action)->exec.code.size(), number % 20'000);
    }
    for (const std::string& id : records) {
      const auto record = get_record(id);
      ASSERT_TRUE(record) << id << ": " << record.error().to_string();
      ASSERT_EQ(record->result.size(), static_cast<std::size_t>(record->start_ms) % 5000 + 8);
    }
    if (state != 0) {
      const auto entry = await<PluginStateEntry>([&](Executor on, auto done) {
        store_->plugin_state().get(on, "process", "key", std::move(done));
      });
      ASSERT_TRUE(entry);
      // One more may be written than was said.
      ASSERT_GE(std::stoul(entry->value), state);
    }
    store_.reset();
  }
  EXPECT_FALSE(records.empty());
}

}  // namespace
}  // namespace berth::store
