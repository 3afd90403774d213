// SPDX-License-Identifier: Apache-2.0
#include "bare_start.hpp"

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "common/first_byte.hpp"

namespace berth::bench {
namespace {

constexpr int kListenFd = 3;  // in the child

}  // namespace

double bare_start_us(const std::filesystem::path& program, const std::filesystem::path& work) {
  const std::string path = (work / "bare.sock").string();
  ::unlink(path.c_str());
  const auto begin = std::chrono::steady_clock::now();
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      listen(listener.get(), 16) != 0) {
    throw std::runtime_error("cannot listen on " + path);
  }
  const std::string listen_variable = "BERTH_LISTEN_FD=" + std::to_string(kListenFd);
  char* const arguments[] = {const_cast<char*>(program.c_str()), nullptr};
  char* const environment[] = {const_cast<char*>(listen_variable.c_str()), nullptr};
  const pid_t child = fork();
  if (child == 0) {
    // dup2 clears close-on-exec, but not onto itself.
    if (listener.get() == kListenFd) {
      fcntl(kListenFd, F_SETFD, 0);
    } else {
      dup2(listener.get(), kListenFd);
    }
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, 1);
    dup2(null, 2);
    execve(arguments[0], arguments, environment);
    _exit(127);
  }
  if (child < 0) throw std::runtime_error("cannot fork");
  try {
    wait_for_first_byte("unix:" + path);
  } catch (...) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    throw;
  }
  const double us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return us;
}

}  // namespace berth::bench
