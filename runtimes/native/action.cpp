// SPDX-License-Identifier: Apache-2.0
#include "action.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.hpp"

namespace berth::native {
namespace {

// A longer answer is no answer: the invoker cuts it at a few megabytes anyway.
constexpr size_t kMaxAnswer = 64 * 1024 * 1024;

bool make_pipe(int& read_end, int& write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  read_end = ends[0];
  write_end = ends[1];
  return true;
}

void close_fd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

// posix_spawn shares our memory until the exec, so a start costs the same however large we are.
int spawn(pid_t& pid, const std::string& program, const std::string& directory, int input,
          int output, const std::vector<std::string>& environment) {
  std::vector<char*> env;
  env.reserve(environment.size() + 1);
  for (const std::string& pair : environment) env.push_back(const_cast<char*>(pair.c_str()));
  env.push_back(nullptr);
  char* argv[] = {const_cast<char*>(program.c_str()), nullptr};

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, 0);
  posix_spawn_file_actions_adddup2(&files, output, 3);
  posix_spawn_file_actions_addchdir_np(&files, directory.c_str());

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const int result = posix_spawn(&pid, program.c_str(), &files, &attributes, argv, env.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return result;
}

}  // namespace

bool Action::start(const std::string& program, const std::string& directory,
                   const std::vector<std::string>& environment, std::string& error) {
  stop();
  if (signals_ < 0) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  int child_input = -1;
  int child_output = -1;
  int result = 0;
  if (signals_ < 0 || !make_pipe(child_input, input_) || !make_pipe(output_, child_output)) {
    result = errno;
  } else {
    fcntl(input_, F_SETFL, O_NONBLOCK);
    fcntl(output_, F_SETFL, O_NONBLOCK);
    result = spawn(pid_, program, directory, child_input, child_output, environment);
  }
  close_fd(child_input);
  close_fd(child_output);
  if (result == 0) return true;
  pid_ = -1;
  close_pipes();
  error = std::string("cannot execute the action: ") + strerror(result);
  return false;
}

bool Action::wait_for_ack(std::string& error) {
  std::string line;
  if (!read_answer({}, line)) {
    error = "Command exited abruptly during initialization.";
    stop();
    return false;
  }
  std::string detail;
  const auto ok = validate(line, detail) ? find_member(line, "ok") : std::nullopt;
  if (ok == "true") return true;
  error = "The action did not initialize properly.";
  stop();
  return false;
}

bool Action::interact(std::string_view line, std::string& answer) {
  std::string input;
  input.reserve(line.size() + 1);
  input.append(line).append("\n");
  if (read_answer(input, answer)) return true;
  stop();
  return false;
}

// Writes and reads at the same time: a program may answer before it has read everything.
bool Action::read_answer(std::string_view input, std::string& answer) {
  while (!take_line(answer)) {
    if (pid_ <= 0 || received_.size() > kMaxAnswer) return false;
    if (!input.empty()) {
      const ssize_t count = write(input_, input.data(), input.size());
      if (count > 0) input.remove_prefix(static_cast<size_t>(count));
      // A program that does not read its stdin may still answer.
      if (count < 0 && errno != EAGAIN && errno != EINTR) input = {};
    }
    pollfd wait[3] = {{output_, POLLIN, 0}, {signals_, POLLIN, 0}, {input_, POLLOUT, 0}};
    if (poll(wait, input.empty() ? 2 : 3, -1) < 0) continue;
    const bool open = wait[0].revents == 0 || read_output();
    if (wait[1].revents != 0) {
      reap();
      if (pid_ <= 0) read_output();  // what it wrote before it ended still counts
    }
    if (!open) return take_line(answer);
  }
  return true;
}

bool Action::take_line(std::string& answer) {
  const size_t end = received_.find('\n');
  if (end == std::string::npos) return false;
  answer = received_.substr(0, end + 1);
  received_.erase(0, end + 1);
  return true;
}

// Reads what is there; false at the end of the stream.
bool Action::read_output() {
  char buffer[64 * 1024];
  while (received_.size() <= kMaxAnswer) {
    const ssize_t count = read(output_, buffer, sizeof buffer);
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    received_.append(buffer, static_cast<size_t>(count));
  }
  return true;
}

void Action::reap() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) > 0) {
  }
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid <= 0) return;
    if (pid == pid_) pid_ = -1;
  }
}

void Action::stop() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
  close_pipes();
}

void Action::close_pipes() {
  close_fd(input_);
  close_fd(output_);
  received_.clear();
}

}  // namespace berth::native
