// SPDX-License-Identifier: Apache-2.0
#include "shell_pool.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys.hpp"

namespace berth::process {
namespace {

// After a failure the pool waits before it makes shells nobody asked for yet.
constexpr uint64_t kBackOffMs = 1000;
// How long a group may stay busy after its last process was waited for before it is given up (the
// next sandboxer's start removes it).
constexpr int kMaxRemoveAttempts = 12;
// A shell itself must fit into the limits it is prepared with.
constexpr uint64_t kSmallestGuess = 64ull << 20;

sdk::Status make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return from_errno("cannot create a pipe", errno);
  read_end.reset(fds[0]);
  write_end.reset(fds[1]);
  // Only our end: the function's must block when we are slow, not fail.
  ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return {};
}

}  // namespace

ShellPool::ShellPool(Loop& loop, Cgroups& cgroups, const HostView& host, bool privileged,
                     uint64_t seed)
    : loop_(loop), cgroups_(cgroups), host_(host), privileged_(privileged), seed_(seed) {}

ShellPool::~ShellPool() = default;

void ShellPool::configure(const Settings& settings, const std::vector<sock_filter>* filter) {
  if (!configured_ || settings.subordinate_start != settings_.subordinate_start ||
      settings.subordinate_count != settings_.subordinate_count ||
      settings.subordinate_size != settings_.subordinate_size) {
    ids_.reset(settings.subordinate_start, settings.subordinate_count, settings.subordinate_size,
               seed_);
  }
  settings_ = settings;
  filter_ = filter;
  configured_ = true;
  for (auto& [serial, shell] : shells_) discard(*shell);
  ready_.clear();
  // Those who wait get one made by the new settings.
  for (size_t i = takers_.size(); i > 0; --i) {
    if (auto s = start_one(); !s.ok()) fail_one(s);
  }
  schedule_refill();
}

size_t ShellPool::on_their_way() const {
  size_t n = 0;
  for (const auto& [serial, shell] : shells_) n += shell->ready || shell->unwanted ? 0 : 1;
  return n;
}

void ShellPool::take(Taker taker) {
  if (stopping_ || !configured_) {
    taker(sdk::unavailable("berth-sandboxer is stopping"), nullptr);
    return;
  }
  takers_.push_back(std::move(taker));
  if (ready_.empty()) {
    ++cold_takes_;
    if (on_their_way() < takers_.size()) {
      if (auto s = start_one(); !s.ok()) {
        Taker failed = std::move(takers_.back());
        takers_.pop_back();
        failed(std::move(s), nullptr);
      }
    }
    return;
  }
  deliver();
}

void ShellPool::deliver() {
  while (!ready_.empty() && !takers_.empty()) {
    const auto it = shells_.find(ready_.front());
    ready_.pop_front();
    std::unique_ptr<Shell> shell = std::move(it->second);
    shells_.erase(it);
    loop_.unwatch(shell->control.get());
    loop_.unwatch(shell->process.pidfd.get());
    Taker taker = std::move(takers_.front());
    takers_.pop_front();
    taker({}, std::move(shell));
  }
  schedule_refill();
}

void ShellPool::schedule_refill() {
  if (refill_scheduled_ || stopping_ || !configured_ || ready_.size() >= settings_.prepared) return;
  refill_scheduled_ = true;
  // The sandbox just handed out is about to exec: on a small machine, making the next one at the
  // same moment would take its processor away. While some are left there is no hurry.
  const uint64_t delay_ms = ready_.empty() ? 0 : 1;
  loop_.after_ms(delay_ms, [this] {
    loop_.when_idle([this] {
      refill_scheduled_ = false;
      refill();
    });
  });
}

void ShellPool::refill() {
  if (stopping_ || ready_.size() + on_their_way() >= settings_.prepared + takers_.size()) return;
  if (auto s = start_one(); !s.ok()) {
    std::fprintf(stderr, "cannot prepare a sandbox: %s\n", s.message().c_str());
    refill_scheduled_ = true;
    loop_.after_ms(kBackOffMs, [this] {
      refill_scheduled_ = false;
      refill();
    });
  }
  // One at a time; the next is begun when this one is ready.
}

sdk::Status ShellPool::start_one() {
  auto shell = std::make_unique<Shell>();
  shell->serial = next_serial_++;
  shell->group = std::to_string(shell->serial);
  if (privileged_) {
    const auto range = ids_.take();
    if (!range) {
      return sdk::resource_exhausted(
          "all subordinate id ranges are in use: raise subordinate_count");
    }
    shell->id_range = *range;
  }
  const auto give_up = [&](sdk::Status status) {
    if (shell->has_group) remove_group(shell->group, 0);
    if (privileged_) ids_.give_back(shell->id_range);
    return status;
  };
  if (auto s = cgroups_.create(shell->group); !s.ok()) return give_up(std::move(s));
  shell->has_group = true;

  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return give_up(from_errno("cannot create a socket pair", errno));
  }
  shell->control.reset(pair[0]);
  UniqueFd child_control(pair[1]), output_write, errors_write;
  if (auto s = make_pipe(shell->output, output_write); !s.ok()) return give_up(std::move(s));
  if (auto s = make_pipe(shell->errors, errors_write); !s.ok()) return give_up(std::move(s));

  ShellSetup setup;
  setup.control = child_control.get();
  setup.output = output_write.get();
  setup.errors = errors_write.get();
  const UniqueFd v2 = cgroups_.open_v2(shell->group);
  setup.v2_cgroup = v2.get();
  const std::vector<UniqueFd> tasks = cgroups_.open_v1_tasks(shell->group);
  for (const auto& fd : tasks) setup.v1_tasks.push_back(fd.get());
  if (settings_.network == Network::kNone) {
    shell->network_wanted = true;
    if (networks_.empty()) {
      setup.new_network = true;
    } else {
      shell->network = std::move(networks_.back());
      networks_.pop_back();
      setup.network = shell->network.get();
    }
  }
  setup.mounts = {privileged_, settings_.writable_bytes, settings_.writable_inodes};
  setup.open_files = settings_.open_files;
  setup.filter = filter_;
  if (auto s = start_shell(setup, shell->process); !s.ok()) return give_up(std::move(s));
  shell->alive = true;
  shell->oom_event = cgroups_.watch_oom(shell->group);
  // A guess that the next function is like the last saves the writes when it is asked for.
  if (auto s = cgroups_.set_limits(shell->group, usual_limits_, shell->applied); !s.ok()) {
    std::fprintf(stderr, "%s\n", s.message().c_str());
  }

  adopt(std::move(shell));
  return {};
}

void ShellPool::adopt(std::unique_ptr<Shell> shell) {
  const uint64_t serial = shell->serial;
  loop_.watch(shell->control.get(), EPOLLIN, [this, serial](uint32_t) { on_control(serial); });
  loop_.watch(shell->process.pidfd.get(), EPOLLIN, [this, serial](uint32_t) { on_ended(serial); });
  shells_.emplace(serial, std::move(shell));
}

void ShellPool::check(std::function<void(sdk::Status)> done) {
  const uint64_t cold = cold_takes_;
  take([this, done = std::move(done)](sdk::Status status, std::unique_ptr<Shell> shell) {
    if (shell != nullptr) {
      ready_.push_front(shell->serial);
      adopt(std::move(shell));
    }
    done(std::move(status));
  });
  cold_takes_ = cold;  // nobody waited for a function
}

void ShellPool::on_control(uint64_t serial) {
  const auto it = shells_.find(serial);
  if (it == shells_.end()) return;
  Shell& shell = *it->second;
  std::string bytes;
  std::vector<UniqueFd> fds;
  const Received received = receive_packet(shell.control.get(), bytes, fds);
  if (received == Received::kNothing) return;
  if (received != Received::kPacket || shell.unwanted) {
    loop_.unwatch(shell.control.get());  // its end follows
    return;
  }
  switch (bytes[0]) {
    case 'N': {
      if (shell.network_wanted && !shell.network.valid()) {
        const std::string path = std::to_string(shell.process.pid) + "/ns/net";
        shell.network.reset(::openat(host_.proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
      }
      const auto s = map_ids(host_.proc.get(), shell.process.pid, shell.id_range,
                             privileged_ ? settings_.subordinate_size : 0);
      if (s.ok() && send_packet(shell.control.get(), "M") == 0) return;
      fail_one(s.ok() ? sdk::internal("a new sandbox does not listen") : s);
      discard(shell);
      return;
    }
    case 'R':
      shell.ready = true;
      ready_.push_back(serial);
      deliver();
      return;
    default: fail_one(sdk::failed_precondition(bytes.substr(1))); discard(shell);
  }
}

void ShellPool::on_ended(uint64_t serial) {
  const auto it = shells_.find(serial);
  if (it == shells_.end()) return;
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(it->second->process.pidfd.get()), &info, WEXITED);
  std::unique_ptr<Shell> shell = std::move(it->second);
  shells_.erase(it);
  std::erase(ready_, serial);
  loop_.unwatch(shell->control.get());
  loop_.unwatch(shell->process.pidfd.get());
  if (shell->unwanted) {
    --ending_;
  } else {
    // Killed while it waited, or broken without a word.
    fail_one(sdk::internal("a prepared sandbox ended by itself"));
  }
  recycle(std::move(shell));
}

void ShellPool::fail_one(const sdk::Status& status) {
  if (takers_.empty()) {
    std::fprintf(stderr, "cannot prepare a sandbox: %s\n", status.message().c_str());
    if (!refill_scheduled_ && !stopping_) {
      refill_scheduled_ = true;
      loop_.after_ms(kBackOffMs, [this] {
        refill_scheduled_ = false;
        refill();
      });
    }
    return;
  }
  Taker taker = std::move(takers_.front());
  takers_.pop_front();
  taker(status, nullptr);
}

void ShellPool::discard(Shell& shell) {
  if (shell.unwanted) return;
  shell.unwanted = true;
  ++ending_;
  sys::pidfd_send_signal(shell.process.pidfd.get(), SIGKILL);
}

void ShellPool::recycle(std::unique_ptr<Shell> shell) {
  if (shell->ready && shell->applied.memory_bytes >= kSmallestGuess) usual_limits_ = shell->applied;
  if (shell->network.valid() && !stopping_ && networks_.size() < settings_.pooled_networks) {
    networks_.push_back(std::move(shell->network));
  }
  if (privileged_) ids_.give_back(shell->id_range);
  if (shell->has_group) {
    ++removing_groups_;
    loop_.when_idle([this, group = shell->group] {
      --removing_groups_;
      remove_group(group, 0);
    });
  }
}

void ShellPool::remove_group(std::string group, int attempt) {
  if (cgroups_.remove(group)) return;
  if (attempt == kMaxRemoveAttempts) {
    std::fprintf(stderr, "cgroup %s stays busy and is left behind\n", group.c_str());
    return;
  }
  ++removing_groups_;
  loop_.after_ms(uint64_t{1} << attempt, [this, group = std::move(group), attempt] {
    --removing_groups_;
    remove_group(group, attempt + 1);
  });
}

void ShellPool::shut_down() {
  stopping_ = true;
  for (auto& [serial, shell] : shells_) discard(*shell);
  ready_.clear();
  networks_.clear();
  auto takers = std::move(takers_);
  takers_.clear();
  for (auto& taker : takers) taker(sdk::unavailable("berth-sandboxer is stopping"), nullptr);
}

}  // namespace berth::process
