// SPDX-License-Identifier: Apache-2.0
#include "factory/process_factory.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "factory/log_lines.hpp"

namespace berth::process {
namespace {

// How long before its deadline a waiting read is answered, so that the answer arrives in time, on a
// busy machine too.
constexpr uint64_t kAnswerAheadNs = 25'000'000;

sdk::Status down() {
  return sdk::unavailable("berth-sandboxer is down; it is being started again");
}

int64_t available_memory() {
  std::FILE* file = std::fopen("/proc/meminfo", "re");
  if (file == nullptr) return -1;
  char line[256];
  long long kilobytes = -1;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "MemAvailable: %lld kB", &kilobytes) == 1) break;
  }
  std::fclose(file);
  return kilobytes < 0 ? -1 : kilobytes * 1024;
}

// Whether an interpreter reads the variable when it starts, which a fork of a warm one has behind
// it.
bool matters_at_start(std::string_view key, std::string_view value) {
  if (key == "LANG") return value != "C.UTF-8";
  for (const std::string_view prefix :
       {"LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_", "PYTHON", "LANGUAGE", "TZ"}) {
    if (key.starts_with(prefix)) return true;
  }
  return false;
}

}  // namespace

ProcessFactory::ProcessFactory(const sdk::OpenArgs& args)
    : log_(args.host.log()),
      instance_(args.instance),
      data_directory_(args.data_directory),
      loop_("berth-process"),
      retry_(loop_.context()),
      metrics_(loop_.context()) {
  if (auto s = Config::parse(args.config_json, program_directory(), config_); !s.ok()) {
    throw sdk::Error(s);
  }
  runtime_directory_ = short_directory(std::string(args.runtime_directory));
  const std::string sockets =
      config_.socket_directory.empty() ? runtime_directory_ : config_.socket_directory;
  // The sandboxer's socket needs the directory too.
  if (sockets != runtime_directory_) {
    ListenSockets checked;
    if (auto s = checked.open(runtime_directory_, 0); !s.ok()) throw sdk::Error(s);
  }
  if (auto s = sockets_.open(sockets, config_.prepared_sockets); !s.ok()) throw sdk::Error(s);
  const sdk::Metrics metrics = args.host.metrics();
  gauges_.sandboxes = metrics.gauge("sandboxes", "Sandboxes, living and dead");
  gauges_.prepared = metrics.gauge("prepared_sandboxes", "Sandboxes made ahead");
  gauges_.networks = metrics.gauge("pooled_networks", "Network namespaces kept for reuse");
  gauges_.leaving = metrics.gauge("leaving_networks", "Networks being taken down");
  gauges_.addresses =
      metrics.gauge("free_addresses", "Addresses of nat's subnet that no sandbox has");
  gauges_.removing = metrics.gauge("removing_sandboxes", "Sandboxes being cleaned up");
  gauges_.dropped = metrics.gauge("dropped_log_bytes", "Output dropped from full buffers");
  gauges_.zygotes = metrics.gauge("zygotes", "Warm interpreters that sandboxes are forked from");
  gauges_.prepared_forks = metrics.gauge("prepared_forks", "Sandboxes forked ahead of a zygote");
  gauges_.zygote_starts = metrics.gauge("zygote_starts", "Zygotes that became ready so far");
  gauges_.forked = metrics.gauge("forked_sandboxes", "Sandboxes that came from a zygote so far");
  gauges_.fallbacks = metrics.gauge(
      "fork_fallbacks", "Sandboxes started from nothing so far because no zygote was there");
  created_ = metrics.counter("sandboxes_created_total", "Sandboxes created");
  start_seconds_ = metrics.histogram("create_seconds", "From create to the sandbox's exec");
}

ProcessFactory::~ProcessFactory() {
  loop_.stop();
  if (auto c = client()) c->close();
}

std::shared_ptr<SandboxerClient> ProcessFactory::client() const {
  const std::lock_guard lock(mutex_);
  return client_;
}

void ProcessFactory::start(sdk::ContainerEvents events, sdk::Promise<void> done) {
  loop_.post([this, events, done = std::move(done)]() mutable {
    events_ = events;
    // A std::function must be copyable; the promise is not.
    auto held = std::make_shared<sdk::Promise<void>>(std::move(done));
    connect(true, [this, held](const sdk::Status& status) {
      if (!status.ok()) return held->fail(status);
      sockets_.refill();
      publish_metrics();
      held->ok();
    });
  });
}

CreateRequest ProcessFactory::request_for(const sdk::CreateRequestView& request,
                                          const std::vector<std::string>& argv,
                                          const std::string& runtime,
                                          const ListenSocket& socket) const {
  CreateRequest r;
  r.name = request.name;
  r.socket_path = socket.path;
  r.argv = argv;
  r.memory_bytes = request.memory_bytes;
  r.cpu_shares = request.cpu_shares == 0 ? 1024 : request.cpu_shares;
  r.cpu_quota_millis = request.cpu_quota_millis;
  r.pids = request.pids_limit;
  r.labels = request.labels.clone();
  if (runtime == config_.zygote_runtime) r.zygote = runtime;
  bool path = false, home = false, lang = false;
  for (const auto [key, value] : request.environment) {
    if (key == "BERTH_LISTEN_FD") continue;
    path = path || key == "PATH";
    home = home || key == "HOME";
    lang = lang || key == "LANG";
    if (matters_at_start(key, value)) r.zygote.clear();
    r.environment.push_back(std::string(key) + "=" + std::string(value));
  }
  r.environment.emplace_back("BERTH_LISTEN_FD=3");
  if (!path) r.environment.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
  if (!home) r.environment.emplace_back("HOME=/tmp");
  if (!lang) r.environment.emplace_back("LANG=C.UTF-8");
  return r;
}

void ProcessFactory::create(const sdk::CreateRequestView& request,
                            sdk::Promise<sdk::ContainerInfo> done) {
  std::string runtime;
  const std::vector<std::string>* argv = config_.command_of(request.image, runtime);
  if (argv == nullptr) return done.fail(config_.unmapped(request.image, runtime));
  for (const auto [key, value] : request.environment) {
    if (key.empty() || key.find_first_of(std::string_view("=\0", 2)) != std::string_view::npos ||
        value.find('\0') != std::string_view::npos) {
      return done.fail(
          sdk::invalid_argument("an environment variable's name is empty or holds =, or "
                                "it holds a zero byte"));
    }
  }
  std::shared_ptr<SandboxerClient> c;
  {
    const std::lock_guard lock(mutex_);
    if (drained_) {
      return done.fail(
          sdk::Status(sdk::StatusCode::kUnavailable, "the process plugin is draining"));
    }
    c = client_;
    if (c != nullptr) ++creating_;
  }
  if (c == nullptr) return done.fail(down());
  ListenSocket socket;
  if (auto s = sockets_.take(socket); !s.ok()) {
    done.fail(s);
    return create_ended();
  }
  const CreateRequest message = request_for(request, *argv, runtime, socket);
  const int fd = socket.fd.get();
  const auto begun = std::chrono::steady_clock::now();
  c->call(
      MessageType::kCreate, message,
      [this, begun, name = message.name, path = socket.path, labels = message.labels,
       done = std::move(done)](sdk::Status status, Reader& reader) mutable {
        CreateReply reply;
        if (status.ok() && !decode(reader, reply)) {
          status = sdk::internal("berth-sandboxer's answer is malformed");
        }
        if (!status.ok()) {
          ::unlink(path.c_str());
          done.fail(status);
          return create_ended();
        }
        {
          const std::lock_guard lock(mutex_);
          known_.emplace(reply.id, Known{path, reply.group});
        }
        sdk::ContainerInfo info;
        info.id = reply.id;
        info.token = reply.id;
        info.address = "unix:" + path;
        info.name = std::move(name);
        info.labels = std::move(labels);
        done.ok(std::move(info));
        created_.record(1);
        start_seconds_.record(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
        create_ended();
        sockets_.refill();
      },
      fd);
}

void ProcessFactory::create_ended() {
  std::vector<sdk::Promise<void>> draining;
  {
    const std::lock_guard lock(mutex_);
    if (--creating_ != 0) return;
    draining.swap(draining_);
  }
  for (auto& done : draining) done.ok();
}

void ProcessFactory::simple(MessageType type, std::string_view id, sdk::Promise<void> done) {
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  c->call(type, SandboxRequest{std::string(id)},
          [done = std::move(done)](const sdk::Status& status, Reader&) mutable {
            status.ok() ? done.ok() : done.fail(status);
          });
}

void ProcessFactory::destroy(std::string_view id, sdk::Promise<void> done) {
  std::shared_ptr<SandboxerClient> c;
  {
    const std::lock_guard lock(mutex_);
    known_.erase(std::string(id));
    c = client_;
  }
  if (c == nullptr) {
    // The sandboxer died and its sandboxes with it: there is nothing left to destroy.
    return done.fail(sdk::not_found("no sandbox " + std::string(id)));
  }
  simple(MessageType::kDestroy, id, std::move(done));
}

bool ProcessFactory::freeze_directly(const std::string& id, bool frozen) {
  std::shared_ptr<const Freezer> freezer;
  std::shared_ptr<const UniqueFd> file;
  std::string group;
  {
    const std::lock_guard lock(mutex_);
    const auto it = known_.find(id);
    if (it == known_.end() || client_ == nullptr || freezer_ == nullptr) return false;
    freezer = freezer_;
    file = it->second.freezer;
    group = it->second.group;
  }
  if (file == nullptr) {
    file = std::make_shared<const UniqueFd>(freezer->open(group));
    if (frozen && file->valid() && freezer->may_keep(*file)) {
      const std::lock_guard lock(mutex_);
      if (const auto it = known_.find(id); it != known_.end()) it->second.freezer = file;
    }
  }
  return frozen ? freezer->freeze(group, *file) : freezer->thaw(*file);
}

void ProcessFactory::pause(std::string_view id, sdk::Promise<void> done) {
  if (freeze_directly(std::string(id), true)) return done.ok();
  simple(MessageType::kPause, id, std::move(done));
}

void ProcessFactory::resume(std::string_view id, sdk::Promise<void> done) {
  if (freeze_directly(std::string(id), false)) return done.ok();
  simple(MessageType::kResume, id, std::move(done));
}

void ProcessFactory::list(std::string_view cursor, std::uint32_t limit,
                          sdk::Promise<sdk::ContainerList> done) {
  ListRequest request;
  request.limit = std::max(limit, 1u);
  if (!cursor.empty()) {
    const char* end = cursor.data() + cursor.size();
    const auto parsed = std::from_chars(cursor.data(), end, request.after);
    if (parsed.ec != std::errc{} || parsed.ptr != end) {
      return done.fail(sdk::invalid_argument("this is no cursor of the process plugin's"));
    }
  }
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  c->call(MessageType::kList, request,
          [this, done = std::move(done)](const sdk::Status& status, Reader& reader) mutable {
            ListReply reply;
            if (!status.ok()) return done.fail(status);
            if (!decode(reader, reply)) {
              return done.fail(sdk::internal("berth-sandboxer's answer is malformed"));
            }
            sdk::ContainerList list;
            for (auto& s : reply.sandboxes) {
              sdk::ContainerInfo info;
              info.id = s.id;
              info.token = s.id;
              info.address = "unix:" + s.socket_path;
              info.name = s.name;
              info.labels = std::move(s.labels);
              info.state = s.state == SandboxState::kRunning  ? sdk::ContainerState::kRunning
                           : s.state == SandboxState::kPaused ? sdk::ContainerState::kPaused
                                                              : sdk::ContainerState::kDead;
              if (s.state != SandboxState::kDead) {
                const std::lock_guard lock(mutex_);
                Known& known = known_[s.id];
                known.socket_path = s.socket_path;
                known.group = s.group;
              }
              list.containers.push_back(std::move(info));
            }
            if (reply.more) list.next_cursor = std::to_string(reply.sandboxes.back().serial);
            done.ok(std::move(list));
          });
}

void ProcessFactory::read_logs(std::string_view id, std::string_view cursor,
                               std::uint64_t max_bytes, sdk::Promise<sdk::LogBatch> done) {
  ReadLogsRequest request;
  request.id = id;
  request.max_bytes = max_bytes;
  if (!parse_cursor(cursor, request.cursor)) {
    return done.fail(sdk::invalid_argument("this is no cursor of the process plugin's"));
  }
  const uint64_t deadline = done.deadline_ns();
  request.deadline_ns = deadline == 0 ? UINT64_MAX : deadline - std::min(deadline, kAnswerAheadNs);
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  const uint64_t operation = done.id();
  const uint64_t sent = c->call(
      MessageType::kReadLogs, request,
      [this, operation, done = std::move(done)](const sdk::Status& status, Reader& reader) mutable {
        {
          const std::lock_guard lock(mutex_);
          // 0 tells a caller that has not come to note the request that it is too late.
          if (reads_.erase(operation) == 0) reads_.emplace(operation, 0);
        }
        ReadLogsReply reply;
        if (!status.ok()) return done.fail(status);
        if (!decode(reader, reply)) {
          return done.fail(sdk::internal("berth-sandboxer's answer is malformed"));
        }
        sdk::LogBatch batch;
        for (const auto& chunk : reply.chunks) add_lines(chunk, batch);
        batch.next_cursor = cursor_text(reply.next);
        batch.ended = reply.ended;
        done.ok(std::move(batch));
      });
  const std::lock_guard lock(mutex_);
  if (reads_.erase(operation) == 0) reads_.emplace(operation, sent);
}

void ProcessFactory::on_cancel(std::uint64_t id) {
  std::shared_ptr<SandboxerClient> c;
  uint64_t request = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto it = reads_.find(id);
    if (it == reads_.end() || it->second == 0) return;
    request = it->second;
    c = client_;
  }
  if (c != nullptr) c->cancel(request);
}

void ProcessFactory::capacity(sdk::Promise<sdk::Capacity> done) {
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  c->call(MessageType::kStats,
          [done = std::move(done)](const sdk::Status& status, Reader& reader) mutable {
            StatsReply stats;
            if (!status.ok()) return done.fail(status);
            if (!decode(reader, stats)) {
              return done.fail(sdk::internal("berth-sandboxer's answer is malformed"));
            }
            const Enforcement& e = stats.enforcement;
            sdk::Capacity capacity;
            capacity.features = (e.pause ? BERTH_CAPACITY_PAUSE : 0u) |
                                (e.memory ? BERTH_CAPACITY_MEMORY_ENFORCED : 0u) |
                                (e.cpu ? BERTH_CAPACITY_CPU_ENFORCED : 0u) |
                                (e.pids ? BERTH_CAPACITY_PIDS_ENFORCED : 0u);
            capacity.detail = e.detail;
            struct sysinfo info {};
            if (::sysinfo(&info) == 0) {
              capacity.memory_bytes = static_cast<int64_t>(info.totalram) * info.mem_unit;
            }
            capacity.memory_free_bytes = available_memory();
            capacity.cpu_millis = ::sysconf(_SC_NPROCESSORS_ONLN) * 1000;
            done.ok(std::move(capacity));
          });
}

void ProcessFactory::resize(std::string_view id, const sdk::ResizeRequest& request,
                            sdk::Promise<void> done) {
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  c->call(
      MessageType::kResize,
      ResizeRequest{std::string(id), request.memory_bytes,
                    request.cpu_shares == 0 ? 1024 : request.cpu_shares, request.cpu_quota_millis},
      [done = std::move(done)](const sdk::Status& status, Reader&) mutable {
        status.ok() ? done.ok() : done.fail(status);
      });
}

void ProcessFactory::stats(std::string_view id, sdk::Promise<sdk::ContainerStats> done) {
  const auto c = client();
  if (c == nullptr) return done.fail(down());
  c->call(MessageType::kUsage, SandboxRequest{std::string(id)},
          [done = std::move(done)](const sdk::Status& status, Reader& reader) mutable {
            UsageReply usage;
            if (!status.ok()) return done.fail(status);
            if (!decode(reader, usage)) {
              return done.fail(sdk::internal("berth-sandboxer's answer is malformed"));
            }
            done.ok({usage.memory_bytes, usage.memory_limit_bytes, usage.cpu_ns, usage.pids});
          });
}

void ProcessFactory::drain(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    drained_ = true;
    if (creating_ != 0) {
      draining_.push_back(std::move(done));
      return;
    }
  }
  done.ok();
}

void ProcessFactory::stop(sdk::StopMode mode, sdk::Promise<void> done) {
  loop_.post([this, mode, done = std::move(done)]() mutable {
    stopped_ = true;
    retry_.cancel();
    metrics_.cancel();
    std::shared_ptr<SandboxerClient> c;
    {
      const std::lock_guard lock(mutex_);
      drained_ = true;
      c = std::move(client_);
      client_ = nullptr;
      known_.clear();
    }
    if (c == nullptr) return done.ok();
    if (mode == sdk::StopMode::kDetach) {
      // The sandboxer keeps everything until `detach_ttl` is over.
      c->close();
      return done.ok();
    }
    c->call(MessageType::kShutdown, Shutdown{true},
            [c, done = std::move(done)](const sdk::Status& status, Reader&) mutable {
              c->close();
              status.ok() ? done.ok() : done.fail(status);
            });
  });
}

}  // namespace berth::process
