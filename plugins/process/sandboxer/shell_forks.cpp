// SPDX-License-Identifier: Apache-2.0
// ShellPool's part with zygotes: shells that are forked of one, and what is left when it ends.
#include <cstdlib>
#include <cstring>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "shell_pool.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// How long after a zygote's end its last fork may need to notice.
constexpr uint64_t kStrayMs = 1000;

}  // namespace

sdk::Status ShellPool::ask_zygote(const ShellSetup& setup, std::unique_ptr<Shell> shell) {
  const uint64_t serial = shell->serial;
  auto status = lines_[shell->line].zygote->fork(
      setup, privileged_, [this, serial](const sdk::Status& result, ShellProcess process) {
        on_forked(serial, result, std::move(process));
      });
  if (!status.ok()) {
    release(*shell);
    return status;
  }
  shell->forking = true;
  shells_.emplace(serial, std::move(shell));
  return {};
}

void ShellPool::on_forked(uint64_t serial, const sdk::Status& status, ShellProcess process) {
  const auto it = shells_.find(serial);
  std::unique_ptr<Shell> shell = std::move(it->second);
  shells_.erase(it);
  shell->forking = false;
  if (!status.ok()) {
    if (shell->unwanted) --ending_;
    release(*shell);
    if (!shell->unwanted) fail_one(shell->line, status);
    return;
  }
  shell->process = std::move(process);
  pids_.insert(shell->process.pid);
  if (shell->unwanted) sys::pidfd_send_signal(shell->process.pidfd.get(), SIGKILL);
  adopt(std::move(shell));
}

void ShellPool::on_zygote_changed(const std::string& runtime) {
  for (size_t i = 1; i < lines_.size(); ++i) {
    if (lines_[i].runtime == runtime && lines_[i].zygote->usable()) schedule_refill(i);
  }
  // One that was killed between a fork and its answer has left us a child that we do not know.
  loop_.after_ms(kStrayMs, [this] { reap_strays(); });
}

void ShellPool::end_zygotes() {
  for (auto it = shells_.begin(); it != shells_.end();) {
    if (!it->second->forking) {
      ++it;
      continue;
    }
    if (it->second->unwanted) --ending_;
    // A fork that nobody heard of may have joined it.
    networks_.drop(std::move(it->second->network));
    release(*it->second);
    it = shells_.erase(it);
  }
  bool any = false;
  for (Line& line : lines_) any = std::exchange(line.zygote, nullptr) != nullptr || any;
  if (any) loop_.after_ms(kStrayMs, [this] { reap_strays(); });
}

void ShellPool::reap_strays() {
  // A fork whose answer still lies in the socket is a shell, not a stray.
  for (const Line& line : lines_) {
    if (line.zygote == nullptr || !line.zygote->busy()) continue;
    loop_.after_ms(kStrayMs, [this] { reap_strays(); });
    return;
  }
  int error = 0;
  const std::string children = sys::read_file_at(
      host_.proc.get(), ("self/task/" + std::to_string(::getpid()) + "/children").c_str(), error);
  for (const char* at = children.c_str(); *at != '\0';) {
    char* end = nullptr;
    const auto pid = static_cast<pid_t>(std::strtol(at, &end, 10));
    if (end == at) break;
    at = end + std::strspn(end, " \n");
    if (pids_.contains(pid)) continue;
    bool known = false;
    for (const Line& line : lines_) known |= line.zygote != nullptr && line.zygote->owns(pid);
    siginfo_t info{};
    // It has seen the end of its control socket and ended.
    if (!known) ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  }
}

}  // namespace berth::process
