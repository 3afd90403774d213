// SPDX-License-Identifier: Apache-2.0
#include "sandboxes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "seccomp_filter.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

// A pipe holds at most 1 MiB by default configuration; what a dead sandbox left cannot be more.
constexpr size_t kRestOfPipe = 2 << 20;
constexpr uint64_t kFreezeTimeoutNs = 2'000'000'000;

uint64_t boot_seed(const std::string& boot_id) {
  return std::strtoull(boot_id.substr(0, 15).c_str(), nullptr, 16);
}

}  // namespace

Sandboxes::Sandboxes(Loop& loop, Cgroups& cgroups, const HostView& host, bool privileged,
                     NetworkPool& networks, int spill_directory, std::string boot_id,
                     OnDied on_died)
    : loop_(loop),
      cgroups_(cgroups),
      host_(host),
      privileged_(privileged),
      networks_(networks),
      spill_directory_(spill_directory),
      boot_id_(std::move(boot_id)),
      on_died_(std::move(on_died)),
      pool_(loop, cgroups, host, privileged, networks, boot_seed(boot_id_)),
      enforcement_(cgroups.enforcement()) {}

Sandboxes::~Sandboxes() = default;

sdk::Status Sandboxes::configure(const Settings& settings) {
  if (configured_ && settings == settings_) return networks_.check();
  if (privileged_) {
    for (const char* file : {"etc/subuid", "etc/subgid"}) {
      int error = 0;
      const std::string text = sys::read_file_at(host_.root.get(), file, error);
      auto s = check_id_range(settings.subordinate_start, settings.subordinate_count,
                              settings.subordinate_size, text, std::string("/") + file);
      if (!s.ok()) return s;
    }
  }
  if (filter_.empty()) {
    if (auto s = compile_seccomp_filter(filter_); !s.ok()) return s;
  }
  std::vector<uint32_t> servers;
  if (auto s = networks_.configure(settings, servers); !s.ok()) return s;
  if (auto s = enter_new_template(host_, settings, servers, privileged_); !s.ok()) {
    // All of the settings or none: the networks take back the old ones.
    if (configured_) {
      const auto back = networks_.configure(settings_, servers);
      if (!back.ok()) std::fprintf(stderr, "%s\n", back.message().c_str());
    }
    return s;
  }
  settings_ = settings;
  configured_ = true;
  pool_.configure(settings_, &filter_);
  return {};
}

void Sandboxes::create(Owner owner, CreateRequest request, UniqueFd listen, Created done) {
  const auto refuse = [&](sdk::Status status) { done(std::move(status), {}); };
  if (!configured_)
    return refuse(sdk::failed_precondition("berth-sandboxer is not configured yet"));
  if (!listen.valid()) return refuse(sdk::invalid_argument("create needs the listening socket"));
  if (request.argv.empty() || request.argv[0].empty() || request.argv[0][0] != '/') {
    return refuse(sdk::invalid_argument("the program must be an absolute path"));
  }
  if (request.memory_bytes != 0 && request.memory_bytes < kMinMemory) {
    return refuse(sdk::invalid_argument("memory must be at least 4 MiB"));
  }
  // The sandboxer's own root is the template, so this is the file the sandbox would run.
  if (::access(request.argv[0].c_str(), X_OK) != 0) {
    return refuse(sdk::failed_precondition("cannot execute " + request.argv[0] +
                                           " in a sandbox: " + std::string(std::strerror(errno)) +
                                           " (it must lie below /usr or the runtimes directory and "
                                           "be readable and executable by everyone)"));
  }
  if (!names_.insert(request.name).second) {
    return refuse(sdk::already_exists("there is a sandbox named " + request.name));
  }
  // A std::function must be copyable; the descriptor is not.
  auto held =
      std::make_shared<std::pair<CreateRequest, UniqueFd>>(std::move(request), std::move(listen));
  pool_.take(held->first.zygote, [this, owner, held, done = std::move(done)](
                                     sdk::Status status, std::unique_ptr<Shell> shell) {
    if (!status.ok()) {
      names_.erase(held->first.name);
      done(std::move(status), {});
      return;
    }
    begin(owner, std::move(held->first), std::move(held->second), std::move(shell), done);
  });
}

void Sandboxes::begin(Owner owner, CreateRequest request, UniqueFd listen,
                      std::unique_ptr<Shell> shell, const Created& done) {
  const CgroupLimits limits{request.memory_bytes, request.cpu_shares, request.cpu_quota_millis,
                            request.pids != 0 ? request.pids : settings_.default_pids};
  auto status = cgroups_.set_limits(shell->group, limits, shell->applied);
  ShellCommand command{request.argv, request.environment, 0};
  if (!enforcement_.pids) command.process_limit = limits.pids;

  auto sandbox = std::make_unique<Sandbox>();
  sandbox->serial = next_serial_++;
  sandbox->id = boot_id_ + "-" + std::to_string(sandbox->serial);
  sandbox->owner = owner;
  sandbox->shell = std::move(shell);
  sandbox->log = std::make_unique<LogBuffer>(spill_directory_, settings_.log_bytes);
  sandbox->pids = limits.pids;
  if (status.ok()) {
    Writer packet;
    packet.u8('G');
    encode(packet, command);
    const int error = packet.size() > kMaxPacket ? EMSGSIZE
                                                 : send_packet(sandbox->shell->control.get(),
                                                               packet.bytes(), listen.get());
    if (error != 0) status = from_errno("cannot hand the sandbox its command", error);
  }
  // The command has been copied; what is kept serves `list`.
  request.argv.clear();
  request.environment.clear();
  sandbox->request = std::move(request);
  Sandbox& s = *sandbox;
  by_serial_.emplace(s.serial, std::move(sandbox));
  watch(s);
  if (!status.ok()) {
    done(std::move(status), {});
    // Nobody will ask for it.
    s.destroyed.emplace_back([](sdk::Status) {});
    kill(s);
    return;
  }
  s.shell->control.reset();
  const std::string group = s.shell->group;
  ++created_;
  done({}, CreateReply{s.id, group});
  // The client went away while the sandbox was being made.
  if (!owners_.contains(owner)) orphan(s);
}

void Sandboxes::watch(Sandbox& sandbox) {
  const uint64_t serial = sandbox.serial;
  const Shell& shell = *sandbox.shell;
  loop_.watch(shell.process.pidfd.get(), EPOLLIN, [this, serial](uint32_t) { on_ended(serial); });
  loop_.watch(shell.output.get(), EPOLLIN, [this, serial](uint32_t) { on_output(serial, 1); });
  loop_.watch(shell.errors.get(), EPOLLIN, [this, serial](uint32_t) { on_output(serial, 2); });
  if (shell.oom_event.valid()) {
    loop_.watch(shell.oom_event.get(), EPOLLIN, [this, serial](uint32_t) { on_oom(serial, 0); });
  }
}

Sandboxes::Sandbox* Sandboxes::find(uint64_t serial) const {
  const auto it = by_serial_.find(serial);
  return it == by_serial_.end() ? nullptr : it->second.get();
}

Sandboxes::Sandbox* Sandboxes::find(const std::string& id) const {
  const size_t dash = id.rfind('-');
  if (dash == std::string::npos || id.compare(0, dash, boot_id_) != 0) return nullptr;
  uint64_t serial = 0;
  const auto [end, error] = std::from_chars(id.data() + dash + 1, id.data() + id.size(), serial);
  if (error != std::errc{} || end != id.data() + id.size()) return nullptr;
  return find(serial);
}

void Sandboxes::close_output(Sandbox& sandbox, uint8_t stream) {
  UniqueFd& fd = stream == 1 ? sandbox.shell->output : sandbox.shell->errors;
  if (!fd.valid()) return;
  loop_.unwatch(fd.get());
  fd.reset();
}

void Sandboxes::on_output(uint64_t serial, uint8_t stream) {
  Sandbox* sandbox = find(serial);
  if (sandbox == nullptr || sandbox->shell == nullptr) return;
  if (!drain(*sandbox, stream, kOutputPerTurn)) close_output(*sandbox, stream);
  wake_readers(*sandbox);
}

void Sandboxes::on_oom(uint64_t serial, int attempt) {
  Sandbox* sandbox = find(serial);
  if (sandbox == nullptr || sandbox->shell == nullptr) return;
  uint64_t count = 0;
  (void)!::read(sandbox->shell->oom_event.get(), &count, sizeof(count));
  // v1 tells us before the kernel has chosen its victim, which need not be the sandbox's first
  // process; a function short of one of its processes is no use, so all of it goes, as v2 does it
  // by itself.
  if (cgroups_.oom_kills(sandbox->shell->group) > 0) {
    sandbox->oom = true;
    sys::pidfd_send_signal(sandbox->shell->process.pidfd.get(), SIGKILL);
    return;
  }
  constexpr int kAttempts = 10;
  if (attempt >= kAttempts) return;
  loop_.after_ms(2, [this, serial, attempt] { on_oom(serial, attempt + 1); });
}

void Sandboxes::on_ended(uint64_t serial) {
  Sandbox* sandbox = find(serial);
  if (sandbox == nullptr || sandbox->shell == nullptr) return;
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(sandbox->shell->process.pidfd.get()), &info,
               WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return;
  }
  sandbox->exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  // The whole PID namespace is dead by now, so the pipes have no writer any more.
  for (const uint8_t stream : {uint8_t{1}, uint8_t{2}}) {
    drain(*sandbox, stream, kRestOfPipe);
    close_output(*sandbox, stream);
  }
  if (info.si_code != CLD_EXITED && info.si_status == SIGKILL &&
      cgroups_.oom_kills(sandbox->shell->group) > 0) {
    sandbox->oom = true;
  }
  tell_limits(*sandbox, sys::monotonic_ns());
  sandbox->state = SandboxState::kDead;
  loop_.unwatch(sandbox->shell->process.pidfd.get());
  if (sandbox->shell->oom_event.valid()) {
    loop_.unwatch(sandbox->shell->oom_event.get());
    sandbox->shell->oom_event.reset();
  }
  if (!sandbox->request.socket_path.empty() && sandbox->request.socket_path[0] == '/') {
    ::unlinkat(host_.root.get(), sandbox->request.socket_path.c_str() + 1, 0);
  }
  pool_.recycle(std::move(sandbox->shell));
  if (!sandbox->destroyed.empty()) {
    remove(serial);
    return;
  }
  wake_readers(*sandbox);
  Died died{sandbox->id, sandbox->exit_code, sandbox->oom, {}};
  if (sandbox->oom) {
    died.reason =
        "out of memory: the limit is " + std::to_string(sandbox->request.memory_bytes) + " bytes";
  }
  if (sandbox->owner != kNobody) on_died_(sandbox->owner, died);
}

void Sandboxes::kill(Sandbox& sandbox) {
  sandbox.killed = true;
  sys::pidfd_send_signal(sandbox.shell->process.pidfd.get(), SIGKILL);
  // Asked rather than known: a client may freeze by itself.
  if (cgroups_.kill_needs_thaw() &&
      cgroups_.freeze_state(sandbox.shell->group) != FreezeState::kThawed) {
    cgroups_.freeze(sandbox.shell->group, false);
  }
}

void Sandboxes::destroy(const std::string& id, Done done) {
  Sandbox* sandbox = find(id);
  if (sandbox == nullptr) {
    done(sdk::not_found("no sandbox " + id));
    return;
  }
  sandbox->destroyed.push_back(std::move(done));
  if (sandbox->shell == nullptr) {
    remove(sandbox->serial);
  } else if (!sandbox->killed) {
    kill(*sandbox);
  }
}

void Sandboxes::remove(uint64_t serial) {
  auto node = by_serial_.extract(serial);
  Sandbox& sandbox = *node.mapped();
  loop_.cancel(sandbox.orphan_timer);
  names_.erase(sandbox.request.name);
  dropped_ += sandbox.log->dropped_bytes();
  wake_readers(sandbox);
  for (auto& done : sandbox.destroyed) done({});
  if (by_serial_.empty()) {
    for (auto& done : std::exchange(all_destroyed_, {})) done({});
  }
}

void Sandboxes::destroy_all(Done done) {
  if (by_serial_.empty()) {
    done({});
    return;
  }
  all_destroyed_.push_back(std::move(done));
  std::vector<std::string> ids;
  for (const auto& [serial, sandbox] : by_serial_) ids.push_back(sandbox->id);
  for (const auto& id : ids) destroy(id, [](sdk::Status) {});
}

void Sandboxes::pause(const std::string& id, Done done) {
  Sandbox* sandbox = find(id);
  if (sandbox == nullptr) return done(sdk::not_found("no sandbox " + id));
  if (!enforcement_.pause) return done(sdk::unimplemented("pause: " + enforcement_.detail));
  if (sandbox->state == SandboxState::kDead || sandbox->killed) {
    return done(sdk::failed_precondition("sandbox " + id + " has ended"));
  }
  if (int e = cgroups_.freeze(sandbox->shell->group, true); e != 0) {
    return done(from_errno("cannot freeze sandbox " + id, e));
  }
  wait_frozen(sandbox->serial, sys::monotonic_ns() + kFreezeTimeoutNs, std::move(done));
}

void Sandboxes::wait_frozen(uint64_t serial, uint64_t deadline_ns, Done done) {
  Sandbox* sandbox = find(serial);
  if (sandbox == nullptr || sandbox->shell == nullptr) {
    return done(sdk::failed_precondition("the sandbox ended while it was being paused"));
  }
  // Mostly it is frozen within microseconds.
  for (int i = 0; i < 20; ++i) {
    const FreezeState state = cgroups_.freeze_state(sandbox->shell->group);
    if (state == FreezeState::kFrozen) return done({});
    if (state == FreezeState::kThawed) {
      return done(sdk::aborted("resumed or ended while it was being paused"));
    }
    if (state == FreezeState::kError) break;
  }
  if (sys::monotonic_ns() > deadline_ns) {
    cgroups_.freeze(sandbox->shell->group, false);
    return done(sdk::deadline_exceeded("sandbox " + sandbox->id +
                                       " cannot be frozen: a process hangs in the kernel"));
  }
  loop_.after_ms(1, [this, serial, deadline_ns, done = std::move(done)] {
    wait_frozen(serial, deadline_ns, done);
  });
}

void Sandboxes::resume(const std::string& id, Done done) {
  Sandbox* sandbox = find(id);
  if (sandbox == nullptr) return done(sdk::not_found("no sandbox " + id));
  if (!enforcement_.pause) return done(sdk::unimplemented("resume: " + enforcement_.detail));
  if (sandbox->state == SandboxState::kDead || sandbox->killed) {
    return done(sdk::failed_precondition("sandbox " + id + " has ended"));
  }
  if (int e = cgroups_.freeze(sandbox->shell->group, false); e != 0) {
    return done(from_errno("cannot thaw sandbox " + id, e));
  }
  done({});
}

SandboxInfo Sandboxes::info_of(const Sandbox& sandbox) const {
  SandboxInfo info;
  info.serial = sandbox.serial;
  info.id = sandbox.id;
  info.name = sandbox.request.name;
  info.socket_path = sandbox.request.socket_path;
  info.labels = sandbox.request.labels;
  info.state = sandbox.state;
  info.exit_code = sandbox.exit_code;
  info.oom = sandbox.oom;
  if (sandbox.shell != nullptr) info.group = sandbox.shell->group;
  if (info.state == SandboxState::kRunning && enforcement_.pause && sandbox.shell != nullptr &&
      cgroups_.freeze_state(info.group) == FreezeState::kFrozen) {
    info.state = SandboxState::kPaused;
  }
  return info;
}

ListReply Sandboxes::list(Owner owner, const ListRequest& request) {
  ListReply reply;
  size_t size = 64;
  for (auto it = by_serial_.upper_bound(request.after); it != by_serial_.end(); ++it) {
    Sandbox& sandbox = *it->second;
    if (!sandbox.destroyed.empty()) continue;
    SandboxInfo info = info_of(sandbox);
    size += encoded_size(info);
    // A page ends at the limit or when the packet is full, but never before its first entry.
    if (!reply.sandboxes.empty() &&
        (reply.sandboxes.size() >= request.limit || size > kMaxPacket - 1024)) {
      reply.more = true;
      break;
    }
    if (request.adopt) {
      sandbox.owner = owner;
      loop_.cancel(std::exchange(sandbox.orphan_timer, 0));
    }
    reply.sandboxes.push_back(std::move(info));
  }
  return reply;
}

void Sandboxes::orphan(Sandbox& sandbox) {
  sandbox.owner = kNobody;
  if (!sandbox.destroyed.empty()) return;
  loop_.cancel(sandbox.orphan_timer);
  sandbox.orphan_timer = loop_.after_ms(
      settings_.detach_ttl_ms, [this, id = sandbox.id] { destroy(id, [](sdk::Status) {}); });
}

void Sandboxes::release(Owner owner) {
  owners_.erase(owner);
  for (auto& [serial, sandbox] : by_serial_) {
    std::erase_if(sandbox->waiters, [&](const Waiter& w) {
      if (w.owner != owner) return false;
      forget(w);
      return true;
    });
    if (sandbox->owner == owner) orphan(*sandbox);
  }
}

StatsReply Sandboxes::stats() const {
  StatsReply reply;
  reply.sandboxes = static_cast<uint32_t>(by_serial_.size());
  reply.prepared = static_cast<uint32_t>(pool_.ready());
  networks_.tell(reply);
  reply.removing = static_cast<uint32_t>(pool_.removing());
  reply.created = created_;
  reply.created_cold = pool_.cold_takes();
  reply.log_bytes_dropped = dropped_;
  for (const auto& [serial, sandbox] : by_serial_) {
    reply.log_bytes_dropped += sandbox->log->dropped_bytes();
  }
  pool_.tell(reply);
  reply.enforcement = enforcement_;
  reply.enforcement.privileged = privileged_;
  if (const std::string warning = networks_.warning(); !warning.empty()) {
    std::string& detail = reply.enforcement.detail;
    detail += (detail.empty() ? "" : "; ") + warning;
  }
  return reply;
}

}  // namespace berth::process
