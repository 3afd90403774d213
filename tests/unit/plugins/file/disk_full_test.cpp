// SPDX-License-Identifier: Apache-2.0
// No room: a small file system of its own where mounting is allowed, and a bound on the size of
// files.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_support.hpp"

namespace berth::file {
namespace {

using Texts = std::vector<std::string>;

// Appends until one is refused; then makes room and goes on. The first failure's text.
std::string run_out_of_room(const std::filesystem::path& directory,
                            const std::function<void()>& make_room) {
  Store store(directory, R"({"max_file_bytes":16777216,"max_files":0})");
  if (!store.start().ok()) return "no start";
  const std::string text(50'000, 'x');
  std::uint64_t kept = 0;
  sdk::Status refusal;
  while (kept < 1000) {
    refusal = store.append(id_of(kept), make_lines({text, "end " + std::to_string(kept)}));
    if (!refusal.ok()) break;
    ++kept;
  }
  if (refusal.code() != sdk::StatusCode::kResourceExhausted || !refusal.retryable()) {
    return "refusal: " + refusal.to_string();
  }
  if (store.fetch(id_of(kept)).status.code() != sdk::StatusCode::kNotFound)
    return "half of it is there";
  make_room();
  const sdk::Status again = store.append(id_of(kept), make_lines({"end " + std::to_string(kept)}));
  if (!again.ok()) return "again: " + again.to_string();
  for (std::uint64_t i = 0; i <= kept; ++i) {
    const Answer answer = store.fetch(id_of(i));
    if (!answer.status.ok() || answer.status.partial() ||
        answer.lines.back().text != "end " + std::to_string(i)) {
      return "lost " + std::to_string(i) + " of " + std::to_string(kept) + ": " +
             answer.status.to_string();
    }
  }
  if (sdk::Status status = store.stop(); !status.ok()) return "stop: " + status.to_string();
  // No torn line was left behind.
  for (const std::string& name : files_in(directory, ".jsonl")) {
    std::istringstream lines(read_text(directory / name));
    for (std::string line; std::getline(lines, line);) {
      if (!parse_line(line)) return "torn: " + line.substr(0, 100);
    }
  }
  return refusal.message();
}

TEST(DiskFull, TmpfsRefusesAndGoesOn) {
  const TemporaryDirectory directory;
  if (::mount("tmpfs", directory.path().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=4m") != 0) {
    if (std::getenv("BERTH_REQUIRE_ALL") != nullptr) FAIL() << "cannot mount a tmpfs";
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  const auto ballast = directory.path() / "ballast";
  std::ofstream(ballast) << std::string(1024 * 1024, 'b');
  const std::string error =
      run_out_of_room(directory.path(), [&] { std::filesystem::remove(ballast); });
  ::umount2(directory.path().c_str(), MNT_DETACH);
  EXPECT_NE(error.find("No space left on device"), std::string::npos) << error;
  EXPECT_NE(error.find(directory.path().string()), std::string::npos) << error;
  EXPECT_NE(error.find("make room"), std::string::npos) << error;
}

// In a child, whose limit does not bind the other tests.
TEST(DiskFull, AFileThatMayNotGrowRefusesAndGoesOn) {
  const TemporaryDirectory directory;
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit {};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 1'234'567;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string error = run_out_of_room(directory.path(), [&] {
      limit.rlim_cur = limit.rlim_max;
      ::setrlimit(RLIMIT_FSIZE, &limit);
    });
    (void)!::write(fds[1], error.data(), error.size());
    ::_exit(0);
  }
  ::close(fds[1]);
  char buffer[2048] = {};
  const ssize_t got = ::read(fds[0], buffer, sizeof buffer - 1);
  ::close(fds[0]);
  int exit = 0;
  ::waitpid(child, &exit, 0);
  EXPECT_EQ(exit, 0);
  ASSERT_GT(got, 0);
  EXPECT_NE(std::string(buffer).find("File too large"), std::string::npos) << buffer;
}

}  // namespace
}  // namespace berth::file
