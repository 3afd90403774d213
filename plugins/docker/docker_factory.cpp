// SPDX-License-Identifier: Apache-2.0
#include "docker/docker_factory.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <unistd.h>

#include "docker/create_body.hpp"
#include "docker/starting.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// More at once make the engine slower, not faster.
constexpr std::size_t kParallelRemovals = 10;
// For what is under way on the engine when berthd stops.
constexpr std::chrono::milliseconds kRest{5'000};

Config parse(std::string_view text) {
  Config config;
  if (const sdk::Status s = Config::parse(text, config); !s.ok()) throw sdk::Error(s);
  return config;
}

}  // namespace

DockerFactory::DockerFactory(const sdk::OpenArgs& args)
    : host_(args.host),
      log_(args.host.log()),
      runtime_directory_(args.runtime_directory),
      config_(parse(args.config_json)),
      loop_("berth-docker"),
      engine_(loop_.context(), config_),
      images_(loop_.context(), engine_, config_, host_),
      pool_(
          loop_.context(), engine_, images_, config_, host_, [this] { return creating_ > 0; },
          [this] { suspect(); }),
      inotify_(loop_.context()),
      creates_(std::make_shared<Limiter>(loop_.context(), config_.parallel_creates)),
      removals_(std::make_shared<Limiter>(loop_.context(), kParallelRemovals)) {
  const sdk::Metrics metrics = args.host.metrics();
  metrics_.containers = metrics.gauge("containers", "Containers of this berthd in the engine");
  metrics_.created = metrics.counter("containers_created_total", "Containers created");
  metrics_.create_seconds =
      metrics.histogram("create_seconds", "From create to the function's accepting a connection");
  metrics_.engine_up = metrics.gauge("engine_up", "1 while the engine answers");
  metrics_.reconnects = metrics.counter("engine_losses_total", "Times the engine went away");
}

DockerFactory::~DockerFactory() {
  loop_.stop();
  creates_->close();
  removals_->close();
}

void DockerFactory::spawn(Task<void> task) {
  asio::co_spawn(loop_.context(), std::move(task), asio::detached);
}

DockerFactory::ContainerPtr DockerFactory::find(std::string_view id) const {
  const auto it = containers_.find(std::string(id));
  return it == containers_.end() ? nullptr : it->second;
}

sdk::Status DockerFactory::down() const {
  return sdk::unavailable("the Docker engine at " + config_.host + " does not answer");
}

void DockerFactory::forget(const ContainerPtr& container) {
  if (containers_.erase(container->id) == 0) return;
  metrics_.containers.record(static_cast<double>(containers_.size()));
  for (auto& [id, reader] : container->readers) reader->raise();
}

void DockerFactory::start(sdk::ContainerEvents events, sdk::Promise<void> done) {
  loop_.post([this, events, done = std::move(done)]() mutable {
    events_ = events;
    spawn(run_start(std::move(done)));
  });
}

asio::awaitable<sdk::Status> DockerFactory::learn_owner() {
  struct Learned {
    explicit Learned(asio::io_context& context) : signal(context) {}
    Signal signal;
    std::string owner;
    sdk::Status status;
  };
  // Only this coroutine keeps it: the host forgets a callback on its own thread, perhaps when the
  // loop is gone already, and a Signal must not outlive its loop.
  const auto learned = std::make_shared<Learned>(loop_.context());
  const sdk::State state = host_.state();
  const auto answered = [this, weak = std::weak_ptr(learned)](std::string owner,
                                                              sdk::Status status) {
    loop_.post([weak, owner = std::move(owner), status = std::move(status)] {
      const auto told = weak.lock();
      if (!told) return;
      told->owner = owner;
      told->status = status;
      told->signal.raise();
    });
  };
  for (int attempt = 0; attempt < 3; ++attempt) {
    state.get("owner", [answered, held = host_calls_.hold()](const sdk::Status& status,
                                                             sdk::StateResult result) {
      answered(result.entries.empty() ? "" : std::move(result.entries[0].value), status);
    });
    co_await learned->signal.wait(SteadyTime::max());
    if (learned->status.ok() && !learned->owner.empty()) break;
    if (!learned->status.ok() && learned->status.code() != sdk::StatusCode::kNotFound) {
      co_return learned->status.with_context("the plugin's own state");
    }
    const std::string fresh = random_hex(16);
    state.put("owner", fresh, 0,
              [answered, fresh, held = host_calls_.hold()](
                  const sdk::Status& status, sdk::StateResult) { answered(fresh, status); });
    co_await learned->signal.wait(SteadyTime::max());
    if (learned->status.ok()) break;
    // ABORTED: somebody was faster; their word counts.
    if (learned->status.code() != sdk::StatusCode::kAborted) {
      co_return learned->status.with_context("the plugin's own state");
    }
  }
  owner_ = learned->owner;
  co_return learned->status;
}

asio::awaitable<void> DockerFactory::run_start(sdk::Promise<void> done) {
  sdk::Status status = co_await learn_owner();
  if (status.ok()) status = co_await engine_.negotiate();
  if (status.ok()) {
    Result<EngineInfo> info = co_await engine_.info();
    if (info) {
      info_ = std::move(*info);
    } else {
      status = info.error();
    }
  }
  if (!status.ok()) co_return done.fail(status);
  files_reachable_ = config_.engine_host.empty() && !info_.root_directory.empty() &&
                     ::access((info_.root_directory + "/containers").c_str(), R_OK | X_OK) == 0;
  const auto opened = std::make_shared<Signal>(loop_.context());
  watch_events(0, opened);
  if (!co_await opened->wait(Clock::now() + config_.call_timeout) || !up_) {
    co_return done.fail(down());
  }
  const auto listed = co_await reconcile(true);
  if (!listed) co_return done.fail(listed.error());
  status = co_await pool_.start(owner_);
  if (!status.ok()) co_return done.fail(status.with_context("pooled networks"));
  started_ = true;
  if (!up_) {  // gone meanwhile: nobody has begun to reconnect
    ++losses_;
    spawn(reconnect());
  }
  log_.info("the Docker engine answers",
            {{"engine", config_.host},
             {"version", info_.version},
             {"api", engine_.api_version()},
             {"network", config_.network},
             {"logs", files_reachable_ ? "read from files" : "read from the engine"},
             {"adopted", std::to_string(listed->size())}});
  done.ok();
}

void DockerFactory::destroy(std::string_view id, sdk::Promise<void> done) {
  loop_.post([this, id = std::string(id), done = std::move(done)]() mutable {
    spawn(run_destroy(std::move(id), std::move(done)));
  });
}

asio::awaitable<void> DockerFactory::run_destroy(std::string id, sdk::Promise<void> done) {
  const ContainerPtr container = find(id);
  if (container == nullptr) co_return done.fail(sdk::not_found("no container " + id));
  const sdk::Status status = co_await remove_container(container);
  status.ok() ? done.ok() : done.fail(status);
}

void DockerFactory::list(std::string_view cursor, std::uint32_t limit,
                         sdk::Promise<sdk::ContainerList> done) {
  loop_.post([this, cursor = std::string(cursor), limit, done = std::move(done)]() mutable {
    spawn(run_list(std::move(cursor), std::max(limit, 1u), std::move(done)));
  });
}

asio::awaitable<void> DockerFactory::run_list(std::string cursor, std::uint32_t limit,
                                              sdk::Promise<sdk::ContainerList> done) {
  Result<std::vector<ContainerPtr>> all = co_await reconcile(false);
  if (!all) co_return done.fail(all.error());
  std::sort(all->begin(), all->end(),
            [](const ContainerPtr& a, const ContainerPtr& b) { return a->id < b->id; });
  sdk::ContainerList page;
  for (const ContainerPtr& container : *all) {
    if (container->id <= cursor || container->destroying) continue;
    if (page.containers.size() == limit) {
      page.next_cursor = page.containers.back().id;
      break;
    }
    container->handed_out = true;
    sdk::ContainerInfo info;
    info.id = container->id;
    info.token = container->id;
    info.address = container->address;
    info.name = container->name;
    info.labels = container->labels;
    info.state = container->death                                   ? sdk::ContainerState::kDead
                 : container->frozen || container->paused_by_engine ? sdk::ContainerState::kPaused
                                                                    : sdk::ContainerState::kRunning;
    page.containers.push_back(std::move(info));
  }
  done.ok(std::move(page));
}

void DockerFactory::capacity(sdk::Promise<sdk::Capacity> done) {
  loop_.post([this, done = std::move(done)]() mutable { spawn(run_capacity(std::move(done))); });
}

asio::awaitable<void> DockerFactory::run_capacity(sdk::Promise<sdk::Capacity> done) {
  Result<EngineInfo> info = co_await engine_.info();
  if (!info) co_return done.fail(info.error());
  info_ = std::move(*info);
  sdk::Capacity capacity;
  capacity.features = BERTH_CAPACITY_PAUSE |
                      (info_.memory_limit ? BERTH_CAPACITY_MEMORY_ENFORCED : 0u) |
                      (info_.cpu_quota ? BERTH_CAPACITY_CPU_ENFORCED : 0u) |
                      (info_.pids_limit ? BERTH_CAPACITY_PIDS_ENFORCED : 0u);
  capacity.memory_bytes = info_.memory_bytes;
  capacity.cpu_millis = info_.cpus < 0 ? -1 : info_.cpus * 1000;
  if (!info_.memory_limit) capacity.detail += "the engine's host enforces no memory limits. ";
  if (!info_.cpu_quota) capacity.detail += "the engine's host enforces no CPU quotas. ";
  if (!info_.pids_limit) capacity.detail += "the engine's host enforces no limits of processes. ";
  done.ok(std::move(capacity));
}

void DockerFactory::drain(sdk::Promise<void> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    drained_ = true;
    if (creating_ > 0) {
      draining_.push_back(std::move(done));
    } else {
      done.ok();
    }
  });
}

void DockerFactory::stop(sdk::StopMode mode, sdk::Promise<void> done) {
  loop_.post(
      [this, mode, done = std::move(done)]() mutable { spawn(run_stop(mode, std::move(done))); });
}

asio::awaitable<void> DockerFactory::run_stop(sdk::StopMode mode, sdk::Promise<void> done) {
  drained_ = true;
  stopped_ = true;
  pool_.stop();
  for (const auto& [id, starting] : starting_) starting->cancel();
  for (const auto& [id, signal] : reads_) signal->raise();
  if (event_stream_ != 0) engine_.client().cancel(event_stream_);
  if (owner_.empty()) co_return done.ok();
  // What creates have begun ends first, so that nothing comes after the last look.
  const SteadyTime limit = ahead_of(done.deadline());
  co_await wait_for_rest(std::min(limit, Clock::now() + kRest));
  if (mode == sdk::StopMode::kDetach) co_return done.ok();
  const sdk::Status status = co_await remove_all(limit);
  status.ok() ? done.ok() : done.fail(status);
}

void DockerFactory::on_cancel(std::uint64_t id) {
  loop_.post([this, id] {
    if (const auto it = starting_.find(id); it != starting_.end()) it->second->cancel();
    if (const auto it = reads_.find(id); it != reads_.end()) {
      const std::shared_ptr<Signal> signal = it->second;
      reads_.erase(it);
      signal->raise();
    }
  });
}

}  // namespace berth::docker
