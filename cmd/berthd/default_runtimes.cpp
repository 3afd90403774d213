// SPDX-License-Identifier: Apache-2.0
#include "default_runtimes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <poll.h>
#include <regex>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

extern char** environ;

namespace berth::daemon {
namespace {

constexpr int kAnswerTimeoutMs = 5000;

// What `program argument` prints on stdout; empty if it cannot be run or takes too long.
std::string output_of(const std::string& program, const char* argument) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::string path = program;
  std::string flag = argument;
  char* const arguments[] = {path.data(), flag.data(), nullptr};
  pid_t child = 0;
  const int failed = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {};
  write_end.reset();
  std::string text;
  char buffer[256];
  pollfd waiting{read_end.get(), POLLIN, 0};
  while (poll(&waiting, 1, kAnswerTimeoutMs) == 1) {
    const ssize_t got = read(read_end.get(), buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  kill(child, SIGKILL);  // no effect on one that has ended
  waitpid(child, nullptr, 0);
  return text;
}

std::string first_match(const std::string& text, const char* pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? match[1].str() : "";
}

boost::json::object runtime(const std::string& kind, const char* image, int stem_cells) {
  boost::json::object object{
      {"kind", kind},
      {"default", true},
      {"deprecated", false},
      {"image", {{"prefix", "berth"}, {"name", image}, {"tag", "latest"}}},
      {"attached", {{"attachmentName", "codefile"}, {"attachmentType", "text/plain"}}}};
  if (stem_cells > 0) {
    object["stemCells"] = boost::json::array{{{"initialCount", stem_cells}, {"memory", "256 MB"}}};
  }
  return object;
}

}  // namespace

std::string default_runtimes(const Interpreters& interpreters, bool prewarm) {
  const int stem_cells = prewarm ? 1 : 0;
  boost::json::object families;
  const std::string python =
      first_match(output_of(interpreters.python, "-V"), R"(^Python (\d+\.\d+)\.)");
  if (!python.empty())
    families["python"] =
        boost::json::array{runtime("python:" + python, "action-python", stem_cells)};
  const std::string nodejs = first_match(output_of(interpreters.nodejs, "-v"), R"(^v(\d+)\.)");
  if (!nodejs.empty())
    families["nodejs"] =
        boost::json::array{runtime("nodejs:" + nodejs, "action-nodejs", stem_cells)};
  families["native"] = boost::json::array{runtime("native:1", "action-native", 0)};
  const boost::json::object manifest{{"runtimes", families},
                                     {"blackboxes", boost::json::array{{{"prefix", "openwhisk"},
                                                                        {"name", "dockerskeleton"},
                                                                        {"tag", "latest"}}}}};
  return boost::json::serialize(manifest);
}

}  // namespace berth::daemon
