// SPDX-License-Identifier: Apache-2.0
#include "bare_start.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "common/first_byte.hpp"
#include "start/parallel.hpp"

namespace berth::bench {
namespace {

constexpr int kListenFd = 3;  // in the child

// Between fork or vfork and exec: system calls only, for a vfork's child runs on our memory.
[[noreturn]] void execute(int listener, char* const* arguments, char* const* environment) {
  // dup2 clears close-on-exec, but not onto itself.
  if (listener == kListenFd) {
    fcntl(kListenFd, F_SETFD, 0);
  } else {
    dup2(listener, kListenFd);
  }
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(null, 1);
  dup2(null, 2);
  execve(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

double bare_start_us(const std::vector<std::string>& command, const std::filesystem::path& work,
                     Spawn spawn) {
  static std::atomic<int> count{0};
  const std::string path = (work / ("b" + std::to_string(++count) + ".s")).string();
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  char variable[] = "BERTH_LISTEN_FD=3", search[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
       home[] = "HOME=/tmp", language[] = "LANG=C.UTF-8";
  char* const environment[] = {variable, search, home, language, nullptr};
  const auto begin = std::chrono::steady_clock::now();
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      listen(listener.get(), 16) != 0) {
    throw std::runtime_error("cannot listen on " + path);
  }
  const pid_t child = spawn == Spawn::kVfork ? vfork() : fork();
  if (child == 0) execute(listener.get(), arguments.data(), environment);
  if (child < 0) throw std::runtime_error("cannot fork");
  // Now the child alone has it: if that ends without an answer the wait ends, too.
  listener.reset();
  const auto end = [&] {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    unlink(path.c_str());
  };
  double us = 0;
  try {
    wait_for_first_byte("unix:" + path);
    us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  } catch (...) {
    end();
    throw;
  }
  end();
  return us;
}

double bare_starts_per_second(const std::vector<std::string>& command,
                              const std::filesystem::path& work, int threads, int each) {
  return calls_per_second(threads, each, [&](int) { bare_start_us(command, work); });
}

}  // namespace berth::bench
