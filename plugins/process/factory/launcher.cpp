// SPDX-License-Identifier: Apache-2.0
#include "factory/launcher.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "protocol/packet_socket.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {
namespace {

// What it may say at most.
constexpr size_t kMaxText = 4096;

// The child while its standard error is open. It closes that when it exits, having put its
// successor into the background.
class Launch : public std::enable_shared_from_this<Launch> {
 public:
  Launch(boost::asio::io_context& context, pid_t pid, int errors, std::string program,
         std::function<void(sdk::Status)> done)
      : stream_(context, errors), pid_(pid), program_(std::move(program)), done_(std::move(done)) {}

  void read() {
    stream_.async_read_some(
        boost::asio::buffer(chunk_),
        [self = shared_from_this()](const boost::system::error_code& error, size_t n) {
          if (self->text_.size() < kMaxText) self->text_.append(self->chunk_, n);
          if (!error) return self->read();
          self->finish();
        });
  }

 private:
  void finish() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    while (!text_.empty() && text_.back() == '\n') text_.pop_back();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return done_({});
    if (text_.empty()) text_ = program_ + " ended without saying why";
    done_(sdk::failed_precondition(std::move(text_)));
  }

  boost::asio::posix::stream_descriptor stream_;
  pid_t pid_;
  std::string program_;
  std::function<void(sdk::Status)> done_;
  std::string text_;
  char chunk_[512];
};

}  // namespace

void launch_sandboxer(boost::asio::io_context& context, const LaunchOptions& options,
                      std::function<void(sdk::Status)> done) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return done(from_errno("cannot create a pipe", errno));
  UniqueFd read_end(fds[0]);
  UniqueFd write_end(fds[1]);

  std::vector<std::string> words = {
      options.program,           "--data-dir", options.data_directory, "--runtime-dir",
      options.runtime_directory, "--instance", options.instance};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Nothing of berthd's environment: it may hold secrets, and the sandboxer reads none of it.
  char* environment[] = {nullptr};

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&actions, 0, 1);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), 2);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, options.program.c_str(), &actions, &attributes, argv.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    const sdk::Status status = from_errno("cannot start " + options.program, error);
    return done(sdk::failed_precondition(status.message() + " (plugin.process.sandboxer)"));
  }
  std::make_shared<Launch>(context, pid, read_end.release(), options.program, std::move(done))
      ->read();
}

}  // namespace berth::process
