// SPDX-License-Identifier: Apache-2.0
// kill -9 in mid-write: what was answered is there whole, and the files are good for going on.
#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <random>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "file_support.hpp"

namespace berth::file {
namespace {

std::vector<std::uint64_t> run_and_kill(const std::filesystem::path& directory, std::uint64_t base,
                                        std::ptrdiff_t lines) {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(fds[1], STDOUT_FILENO);
    const std::string number = std::to_string(base);
    ::execl(BERTH_KILL_CHILD, BERTH_KILL_CHILD, directory.c_str(), number.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(fds[1]);
  std::string text;
  std::ptrdiff_t seen = 0;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fds[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
    seen += std::count(buffer, buffer + got, '\n');
    if (seen >= lines) ::kill(child, SIGKILL);
  }
  ::close(fds[0]);
  int exit = 0;
  ::waitpid(child, &exit, 0);
  EXPECT_TRUE(WIFSIGNALED(exit)) << "the child ended by itself: " << exit;
  std::vector<std::uint64_t> kept;
  std::istringstream stream(text);
  // A last line without its end may be cut: it does not count.
  for (std::string line; std::getline(stream, line) && !stream.eof();)
    kept.push_back(std::stoull(line));
  return kept;
}

TEST(FileLogStoreKill, WhatWasAnsweredIsThere) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  std::vector<std::uint64_t> kept;
  constexpr int kRounds = 12;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t base = 1'000'000ull * static_cast<unsigned>(round + 1);
    const auto said =
        run_and_kill(directory.path(), base, 1 + static_cast<std::ptrdiff_t>(random() % 400));
    kept.insert(kept.end(), said.begin(), said.end());
    // Every other time the machine also tears the last write, and some index is lost.
    const auto logs = files_in(directory.path(), ".jsonl");
    const auto indexes = files_in(directory.path(), ".idx");
    if (round % 2 == 1) {
      std::ofstream(directory.path() / logs.back(), std::ios::app)
          << R"({"time":"2026-01-02T03:04:05.678901234Z","stream":"std)";
      if (!indexes.empty()) {
        std::filesystem::remove(directory.path() / indexes[random() % indexes.size()]);
      }
    }
    Store store(directory.path(), R"({"max_file_bytes":262144,"max_files":0})");
    ASSERT_TRUE(store.start().ok());
    for (const std::uint64_t number : kept) {
      const Answer answer = store.fetch(id_of(number));
      ASSERT_TRUE(answer.status.ok()) << number << ": " << answer.status.to_string();
      ASSERT_FALSE(answer.status.partial()) << number;
      ASSERT_EQ(answer.lines.size(), number % 7) << number;
      for (std::uint64_t line = 0; line < number % 7; ++line) {
        ASSERT_EQ(answer.lines[line].text, std::string((number * 37 + line) % 3000, 'k'));
      }
    }
    // Half of the time the next one finds a clean end.
    if (random() % 2 == 0) {
      ASSERT_TRUE(store.stop().ok());
    }
  }
  EXPECT_FALSE(kept.empty());
  for (const std::string& name : files_in(directory.path(), ".jsonl")) {
    std::istringstream lines(read_text(directory.path() / name));
    for (std::string line; std::getline(lines, line);)
      ASSERT_TRUE(parse_line(line)) << name << ": " << line;
  }
}

}  // namespace
}  // namespace berth::file
