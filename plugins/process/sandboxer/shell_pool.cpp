// SPDX-License-Identifier: Apache-2.0
#include "shell_pool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "sys.hpp"

namespace berth::process {
namespace {

// After a failure the pool waits before it makes shells nobody asked for yet.
constexpr uint64_t kBackOffMs = 1000;
// How long a sandbox that was handed out has the machine for itself before the next is made: about
// what it takes to its first answer.
constexpr uint64_t kRefillMs = 1;
constexpr uint64_t kUnhurriedRefillMs = 3;
// How long a line counts as pressed after somebody found it empty.
constexpr uint64_t kPressedNs = 50'000'000;
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
                     NetworkPool& networks, uint64_t seed)
    : loop_(loop),
      cgroups_(cgroups),
      host_(host),
      privileged_(privileged),
      networks_(networks),
      seed_(seed) {}

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
  end_zygotes();
  for (auto& [serial, shell] : shells_) discard(*shell);
  std::deque<Taker> waiting;
  for (Line& line : lines_) {
    for (Taker& taker : line.takers) waiting.push_back(std::move(taker));
  }
  lines_.clear();
  lines_.resize(1 + settings_.zygotes.size());
  lines_[0].prepared = settings_.prepared;
  lines_[0].takers = std::move(waiting);
  for (size_t i = 1; i < lines_.size(); ++i) {
    const ZygoteSettings& wanted = settings_.zygotes[i - 1];
    lines_[i].runtime = wanted.runtime;
    lines_[i].prepared = wanted.prepared;
    lines_[i].zygote =
        std::make_unique<Zygote>(loop_, host_, wanted, settings_.network != Network::kHost,
                                 [this, runtime = wanted.runtime] { on_zygote_changed(runtime); });
  }
  // Those who wait get one made by the new settings.
  for (size_t i = lines_[0].takers.size(); i > 0; --i) {
    if (auto s = start_one(0); !s.ok()) fail_one(0, s);
  }
  schedule_refill(0);
}

size_t ShellPool::on_their_way(size_t line) const {
  size_t n = 0;
  for (const auto& [serial, shell] : shells_) {
    n += shell->line != line || shell->ready || shell->unwanted ? 0 : 1;
  }
  return n;
}

size_t ShellPool::line_of(const std::string& zygote) {
  if (zygote.empty()) return 0;
  for (size_t i = 1; i < lines_.size(); ++i) {
    if (lines_[i].runtime != zygote) continue;
    lines_[i].zygote->wake();
    if (lines_[i].zygote->usable()) return i;
  }
  ++fallbacks_;
  return 0;
}

void ShellPool::take(const std::string& zygote, Taker taker) {
  if (stopping_ || !configured_) {
    taker(sdk::unavailable("berth-sandboxer is stopping"), nullptr);
    return;
  }
  join(line_of(zygote), std::move(taker), false);
}

void ShellPool::join(size_t at, Taker taker, bool has_waited) {
  Line& line = lines_[at];
  line.takers.push_back(std::move(taker));
  if (!line.ready.empty()) return deliver(at);
  line.ran_dry_ns = sys::monotonic_ns();
  sdk::Status status;
  if (on_their_way(at) < line.takers.size()) status = start_one(at);
  if (status.ok()) {
    if (!has_waited) ++cold_takes_;
    return;
  }
  // This one is the last in the line; of a zygote's it may still be served by the plain line.
  Taker failed = std::move(line.takers.back());
  line.takers.pop_back();
  if (at == 0) return failed(status, nullptr);
  ++fallbacks_;
  join(0, std::move(failed), has_waited);
}

void ShellPool::deliver(size_t at) {
  Line& line = lines_[at];
  while (!line.ready.empty() && !line.takers.empty()) {
    // What it was made with may be long ago.
    if (auto s = networks_.check_before_use(); !s.ok()) {
      Taker taker = std::move(line.takers.front());
      line.takers.pop_front();
      taker(std::move(s), nullptr);
      continue;
    }
    const auto it = shells_.find(line.ready.front());
    line.ready.pop_front();
    std::unique_ptr<Shell> shell = std::move(it->second);
    shells_.erase(it);
    loop_.unwatch(shell->control.get());
    loop_.unwatch(shell->process.pidfd.get());
    Taker taker = std::move(line.takers.front());
    line.takers.pop_front();
    if (at != 0) ++forked_;
    taker({}, std::move(shell));
  }
  schedule_refill(at);
}

void ShellPool::schedule_refill(size_t at) {
  Line& line = lines_[at];
  if (line.refill_scheduled || stopping_ || !configured_ || line.ready.size() >= line.prepared) {
    return;
  }
  line.refill_scheduled = true;
  // The sandbox just handed out is about to begin: on a small machine, making the next one at the
  // same moment would take its processor away. While some are left there is no hurry.
  uint64_t delay_ms = line.ready.empty() ? kRefillMs : kUnhurriedRefillMs;
  if (pressed(line)) delay_ms = line.ready.empty() ? 0 : kRefillMs;
  loop_.after_ms(delay_ms, [this, at] { loop_.when_idle([this, at] { refill(at); }); });
}

bool ShellPool::pressed(const Line& line) const {
  return line.ran_dry_ns != 0 && sys::monotonic_ns() - line.ran_dry_ns < kPressedNs;
}

void ShellPool::refill(size_t at) {
  if (at >= lines_.size()) return;  // configured anew since
  Line& line = lines_[at];
  line.refill_scheduled = false;
  // Who only checks gives its shell back.
  const size_t waiting =
      line.takers.size() - (at == 0 ? std::min(checking_, line.takers.size()) : 0);
  if (stopping_ || line.ready.size() + on_their_way(at) >= line.prepared + waiting) return;
  if (line.zygote != nullptr && !line.zygote->usable()) return;  // refilled when there is one again
  if (auto s = start_one(at); !s.ok()) {
    std::fprintf(stderr, "cannot prepare a sandbox: %s\n", s.message().c_str());
    back_off(at);
  }
  // One at a time; the next is begun when this one is ready.
}

void ShellPool::back_off(size_t at) {
  if (lines_[at].refill_scheduled || stopping_) return;
  lines_[at].refill_scheduled = true;
  loop_.after_ms(kBackOffMs, [this, at] { refill(at); });
}

sdk::Status ShellPool::start_one(size_t line) {
  auto shell = std::make_unique<Shell>();
  shell->serial = next_serial_++;
  shell->line = line;
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
    release(*shell);
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

  // Programs open /dev/stdout, which is allowed to a pipe's owner only.
  if (privileged_) {
    const uid_t owner = shell->id_range + kInnerId;
    for (const UniqueFd* end : {&output_write, &errors_write}) {
      if (::fchown(end->get(), owner, owner) != 0) {
        return give_up(from_errno("cannot give a pipe to its function", errno));
      }
    }
  }
  ShellSetup setup;
  setup.control = child_control.get();
  setup.output = output_write.get();
  setup.errors = errors_write.get();
  const UniqueFd v2 = cgroups_.open_v2(shell->group);
  setup.v2_cgroup = v2.get();
  const std::vector<UniqueFd> tasks = cgroups_.open_v1_tasks(shell->group);
  for (const auto& fd : tasks) setup.v1_tasks.push_back(fd.get());
  if (auto s = networks_.take(shell->network); !s.ok()) return give_up(std::move(s));
  shell->network_wanted = settings_.network != Network::kHost;
  setup.network = shell->network.link.ns.get();
  setup.new_network = shell->network_wanted && setup.network < 0;
  setup.mounts = {privileged_, settings_.writable_bytes, settings_.writable_inodes};
  setup.open_files = settings_.open_files;
  setup.filter = filter_;
  if (line == 0) {
    if (auto s = start_shell(setup, shell->process); !s.ok()) return give_up(std::move(s));
    pids_.insert(shell->process.pid);
  }
  shell->oom_event = cgroups_.watch_oom(shell->group);
  // A guess that the next function is like the last saves the writes when it is asked for.
  if (auto s = cgroups_.set_limits(shell->group, lines_[line].usual_limits, shell->applied);
      !s.ok()) {
    std::fprintf(stderr, "%s\n", s.message().c_str());
  }
  if (line != 0) return ask_zygote(setup, std::move(shell));
  adopt(std::move(shell));
  return {};
}

void ShellPool::release(Shell& shell) {
  if (shell.has_group) remove_group(shell.group, 0);
  if (privileged_) ids_.give_back(shell.id_range);
  networks_.give_back(std::move(shell.network));
}

void ShellPool::tell(StatsReply& stats) const {
  stats.forked = forked_;
  stats.fork_fallbacks = fallbacks_;
  for (const Line& line : lines_) {
    if (line.zygote == nullptr) continue;
    stats.zygotes += line.zygote->usable() ? 1 : 0;
    stats.prepared_forks += static_cast<uint32_t>(line.ready.size());
    stats.zygote_starts += line.zygote->starts();
    if (stats.zygote_problem.empty() && !line.zygote->problem().empty()) {
      stats.zygote_problem = "the zygote of " + line.runtime + ": " + line.zygote->problem();
    }
  }
}

void ShellPool::adopt(std::unique_ptr<Shell> shell) {
  const uint64_t serial = shell->serial;
  loop_.watch(shell->control.get(), EPOLLIN, [this, serial](uint32_t) { on_control(serial); });
  loop_.watch(shell->process.pidfd.get(), EPOLLIN, [this, serial](uint32_t) { on_ended(serial); });
  shells_.emplace(serial, std::move(shell));
}

void ShellPool::check(std::function<void(sdk::Status)> done) {
  const uint64_t cold = cold_takes_;
  ++checking_;
  take({}, [this, done = std::move(done)](sdk::Status status, std::unique_ptr<Shell> shell) {
    --checking_;
    if (shell != nullptr) {
      lines_[0].ready.push_front(shell->serial);
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
      if (UniqueFd& ns = shell.network.link.ns; shell.network_wanted && !ns.valid()) {
        const std::string path = std::to_string(shell.process.pid) + "/ns/net";
        ns.reset(::openat(host_.proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
      }
      const auto s = map_ids(host_.proc.get(), shell.process.pid, shell.id_range,
                             privileged_ ? settings_.subordinate_size : 0);
      const Line& line = lines_[shell.line];
      const bool awaited = !line.takers.empty() || pressed(line);
      if (s.ok() && send_packet(shell.control.get(), awaited ? "M!" : "M") == 0) return;
      fail_one(shell.line, s.ok() ? sdk::internal("a new sandbox does not listen") : s);
      discard(shell);
      return;
    }
    case 'R':
      shell.ready = true;
      lines_[shell.line].ready.push_back(serial);
      deliver(shell.line);
      return;
    default: fail_one(shell.line, sdk::failed_precondition(bytes.substr(1))); discard(shell);
  }
}

void ShellPool::on_ended(uint64_t serial) {
  const auto it = shells_.find(serial);
  if (it == shells_.end()) return;
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(it->second->process.pidfd.get()), &info, WEXITED);
  std::unique_ptr<Shell> shell = std::move(it->second);
  shells_.erase(it);
  if (!shell->unwanted) std::erase(lines_[shell->line].ready, serial);
  loop_.unwatch(shell->control.get());
  loop_.unwatch(shell->process.pidfd.get());
  if (shell->unwanted) {
    --ending_;
  } else {
    // Killed while it waited, or broken without a word.
    fail_one(shell->line, sdk::internal("a prepared sandbox ended by itself"));
  }
  recycle(std::move(shell));
}

void ShellPool::fail_one(size_t at, const sdk::Status& status) {
  Line& line = lines_[at];
  if (line.takers.empty()) {
    std::fprintf(stderr, "cannot prepare a sandbox: %s\n", status.message().c_str());
    return back_off(at);
  }
  Taker taker = std::move(line.takers.front());
  line.takers.pop_front();
  if (at == 0) return taker(status, nullptr);
  ++fallbacks_;
  join(0, std::move(taker), true);
}

void ShellPool::discard(Shell& shell) {
  if (shell.unwanted) return;
  shell.unwanted = true;
  ++ending_;
  if (!shell.forking) sys::pidfd_send_signal(shell.process.pidfd.get(), SIGKILL);
}

void ShellPool::recycle(std::unique_ptr<Shell> shell) {
  pids_.erase(shell->process.pid);
  if (shell->ready && shell->line < lines_.size() &&
      shell->applied.memory_bytes >= kSmallestGuess) {
    lines_[shell->line].usual_limits = shell->applied;
  }
  networks_.give_back(std::move(shell->network));
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
  end_zygotes();
  for (auto& [serial, shell] : shells_) discard(*shell);
  networks_.shut_down();
  std::deque<Taker> takers;
  for (Line& line : lines_) {
    line.ready.clear();
    for (Taker& taker : line.takers) takers.push_back(std::move(taker));
    line.takers.clear();
  }
  for (auto& taker : takers) taker(sdk::unavailable("berth-sandboxer is stopping"), nullptr);
}

}  // namespace berth::process
