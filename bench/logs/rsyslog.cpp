// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <signal.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.hpp"
#include "opened.hpp"

namespace berth::bench {
namespace {

constexpr const char* kProgram = "/usr/sbin/rsyslogd";
constexpr double kPatience = 60;  // seconds

// A child that ends with this object.
class Child {
 public:
  Child(const std::vector<std::string>& command, const std::filesystem::path& log) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int to = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(to, 1);
    ::dup2(to, 2);
    std::vector<char*> arguments;
    for (const std::string& one : command) arguments.push_back(const_cast<char*>(one.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  double cpu_seconds() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int i = 3; i < 14; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = -1;
};

int dial(const std::filesystem::path& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  for (const double until = wall_seconds() + kPatience; wall_seconds() < until;) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0) return fd;
    ::close(fd);
    ::usleep(10'000);
  }
  throw std::runtime_error("rsyslogd does not listen");
}

}  // namespace

std::optional<Rate> rsyslog(const std::vector<std::string>& lines, const std::string& directory) {
  if (::access(kProgram, X_OK) != 0) return std::nullopt;
  const Scratch root(directory);
  const auto socket = root.path() / "in";
  const auto out = root.path() / "out";
  const auto config = root.path() / "conf";
  std::ofstream(config) << "global(workDirectory=\"" << root.path().string()
                        << "\" maxMessageSize=\"64k\")\n"
                           "module(load=\"imptcp\")\n"
                           "input(type=\"imptcp\" path=\""
                        << socket.string()
                        << "\")\n"
                           "template(name=\"text\" type=\"string\" string=\"%msg%\\n\")\n"
                           "action(type=\"omfile\" file=\""
                        << out.string() << "\" template=\"text\")\n";
  std::string messages;
  std::size_t bytes = 0;
  for (const std::string& line : lines) {
    messages += "<14>1 2026-01-02T03:04:05Z host berth - - - " + line + "\n";
    bytes += line.size() + 1;
  }
  const Child child({kProgram, "-n", "-iNONE", "-f", config.string()}, root.path() / "log");
  const int fd = dial(socket);
  const double wall = wall_seconds();
  const double cpu = child.cpu_seconds();
  for (std::string_view rest = messages; !rest.empty();) {
    const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw std::runtime_error("rsyslogd does not read");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  ::close(fd);
  std::error_code none;
  std::uintmax_t written = 0;
  for (const double until = wall_seconds() + kPatience; wall_seconds() < until;) {
    written = std::filesystem::file_size(out, none);
    if (!none && written >= bytes) break;
    ::usleep(2'000);
  }
  if (none || written < bytes) throw std::runtime_error("rsyslogd does not write all");
  const double megabytes = static_cast<double>(bytes) / 1e6;
  return Rate{megabytes / (wall_seconds() - wall), megabytes / (child.cpu_seconds() - cpu)};
}

}  // namespace berth::bench
