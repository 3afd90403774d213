// SPDX-License-Identifier: Apache-2.0
#include "mesos/mesos_factory.hpp"

#include <algorithm>
#include <utility>

#include "mesos/creation.hpp"
#include "mesos/reading.hpp"

namespace berth::mesos {
namespace {

using Clock = std::chrono::steady_clock;

// What an earlier berthd left is handed out once the master has said what is left of it, or after
// so long: a master that has just started does not answer for agents that are not back.
constexpr milliseconds kReconcilePatience{3'000};
constexpr milliseconds kLook{20};
constexpr milliseconds kCountEvery{1'000};

Config parse(const sdk::OpenArgs& args) {
  Config config;
  if (const sdk::Status s = Config::parse(args.config_json, args.instance, config); !s.ok()) {
    throw sdk::Error(s);
  }
  return config;
}

}  // namespace

MesosFactory::MesosFactory(const sdk::OpenArgs& args)
    : host_(args.host),
      log_(args.host.log()),
      config_(parse(args)),
      builder_(make_task_builder(config_.tasks)),
      loop_("berth-mesos"),
      store_(loop_.context(), args.host.state()),
      files_(loop_.context(), config_.scheduler),
      scheduler_(loop_.context(), config_.scheduler, store_, make_matcher(config_.matcher), *this),
      timer_(loop_.context()),
      counting_(loop_.context()) {
  const sdk::Metrics m = args.host.metrics();
  metrics_.tasks =
      m.gauge("tasks", "Tasks of this framework that were launched and have not ended");
  metrics_.pending = m.gauge("pending", "Launches that wait for an offer");
  metrics_.offers = m.gauge("offers", "Offers held");
  metrics_.doubted =
      m.gauge("doubted_agents",
              "Agents that failed to start tasks: they get some only where no other has room");
  metrics_.subscribed = m.gauge("subscribed", "1 while subscribed to a master");
  metrics_.launched = m.counter("launches_total", "Tasks launched");
  metrics_.failed = m.counter("launch_failures_total", "Launches that failed");
  metrics_.relaunched = m.counter("relaunches_total", "Launches tried again on another offer");
  metrics_.orphans = m.counter("orphans_total", "Tasks killed because nobody knew them");
  metrics_.subscriptions = m.counter("subscriptions_total", "Subscriptions to a master");
  metrics_.create_seconds =
      m.histogram("create_seconds", "From create to the function's accepting a connection");
}

MesosFactory::~MesosFactory() {
  loop_.stop();
}

void MesosFactory::start(sdk::ContainerEvents events, sdk::Promise<void> done) {
  loop_.post([this, events, done = std::move(done)]() mutable {
    events_ = events;
    const SteadyTime deadline =
        std::min(done.deadline() - milliseconds(50), Clock::now() + config_.start_timeout);
    starting_ = std::make_unique<sdk::Promise<void>>(std::move(done));
    scheduler_.start([this](const sdk::Status& status) {
      if (!status.ok()) return end_start(status);
      subscribed_ = true;
    });
    await_start(deadline);
    count();
  });
}

void MesosFactory::await_start(SteadyTime deadline) {
  const auto patience = std::make_shared<SteadyTime>(SteadyTime::max());
  const auto look = std::make_shared<std::function<void()>>();
  *look = [this, deadline, patience, weak = std::weak_ptr<std::function<void()>>(look)] {
    if (starting_ == nullptr) return;
    const SteadyTime now = Clock::now();
    if (subscribed_) {
      if (*patience == SteadyTime::max()) *patience = now + kReconcilePatience;
      if (scheduler_.unconfirmed() == 0 || now >= *patience) return end_start({});
    }
    if (now >= deadline) {
      return end_start(subscribed_ ? sdk::Status() : scheduler_.state());
    }
    timer_.expires_after(kLook);
    timer_.async_wait([next = weak.lock()](const boost::system::error_code& error) {
      if (!error) (*next)();
    });
  };
  (*look)();
}

void MesosFactory::end_start(const sdk::Status& status) {
  const std::unique_ptr<sdk::Promise<void>> starting = std::move(starting_);
  if (starting == nullptr) return;
  if (!status.ok()) {
    scheduler_.stop();
    return starting->fail(status);
  }
  log_.info("subscribed to a Mesos master",
            {{"master", scheduler_.master()},
             {"framework", scheduler_.framework_id()},
             {"adopted", std::to_string(scheduler_.tasks().size())}});
  starting->ok();
}

void MesosFactory::count() {
  const Scheduler::Counters& now = scheduler_.counters();
  metrics_.tasks.record(static_cast<double>(scheduler_.tasks().size()));
  metrics_.pending.record(static_cast<double>(scheduler_.pending()));
  metrics_.offers.record(static_cast<double>(scheduler_.offers()));
  metrics_.doubted.record(static_cast<double>(scheduler_.doubted_agents()));
  metrics_.subscribed.record(scheduler_.subscribed() ? 1 : 0);
  const auto grow = [](const sdk::Series& series, std::uint64_t was, std::uint64_t is) {
    if (is > was) series.record(static_cast<double>(is - was));
  };
  grow(metrics_.launched, counted_.launched, now.launched);
  grow(metrics_.failed, counted_.failed, now.failed);
  grow(metrics_.relaunched, counted_.relaunched, now.relaunched);
  grow(metrics_.orphans, counted_.orphans, now.orphans);
  grow(metrics_.subscriptions, counted_.subscriptions, now.subscriptions);
  counted_ = now;
  counting_.expires_after(kCountEvery);
  counting_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopped_) count();
  });
}

void MesosFactory::on_link(const sdk::Status& status) {
  if (status.ok()) {
    if (!last_trouble_.empty()) log_.info("subscribed again", {{"master", scheduler_.master()}});
    last_trouble_.clear();
    return;
  }
  // Each attempt fails in the same way: one line is enough.
  if (stopped_ || status.message() == last_trouble_) return;
  last_trouble_ = status.message();
  log_.warn("no subscription to a Mesos master", {{"reason", status.to_string()}});
}

void MesosFactory::on_note(const std::string& text) {
  log_.warn(text);
}

void MesosFactory::on_ended(const Task& task, const Ending& ending) {
  if (const auto it = by_task_.find(task.id); it != by_task_.end()) {
    const std::shared_ptr<Creation> creation = it->second;
    const std::uint32_t theirs = task.spec.user_image ? sdk::kUserError : 0;
    return fail_create(creation,
                       sdk::aborted("image '" + task.spec.image +
                                    "': the task ended before it listened: " + ending.text())
                           .with_flags(theirs));
  }
  if (task.stored.ByteSizeLong() == 0) return;  // never handed out
  dead_[task.id] = {task.stored};
  events_.died(task.id, ending.exit_code, ending.oom, ending.text());
}

sdk::ContainerInfo MesosFactory::info_of(const std::string& id,
                                         const v1::StoredTask& stored) const {
  sdk::ContainerInfo info;
  info.id = id;
  info.token = id;
  info.address = "tcp://" + stored.address();
  info.name = stored.name();
  for (const v1::Label& label : stored.labels())
    info.labels.emplace_back(label.key(), label.value());
  return info;
}

void MesosFactory::list(std::string_view cursor, std::uint32_t limit,
                        sdk::Promise<sdk::ContainerList> done) {
  loop_.post([this, cursor = std::string(cursor), limit = std::max(limit, 1u),
              done = std::move(done)]() mutable {
    std::vector<std::pair<std::string, const v1::StoredTask*>> all;
    for (const auto& [id, task] : scheduler_.tasks()) {
      if (id > cursor && !task->unwanted && !task->stored.address().empty()) {
        all.emplace_back(id, &task->stored);
      }
    }
    for (const auto& [id, dead] : dead_) {
      if (id > cursor) all.emplace_back(id, &dead.stored);
    }
    std::sort(all.begin(), all.end());
    sdk::ContainerList page;
    for (const auto& [id, stored] : all) {
      if (page.containers.size() == limit) {
        page.next_cursor = page.containers.back().id;
        break;
      }
      page.containers.push_back(info_of(id, *stored));
      if (dead_.count(id) > 0) page.containers.back().state = sdk::ContainerState::kDead;
    }
    done.ok(std::move(page));
  });
}

void MesosFactory::destroy(std::string_view id, sdk::Promise<void> done) {
  loop_.post([this, id = std::string(id), done = std::move(done)]() mutable {
    if (dead_.erase(id) > 0) return done.ok();
    const auto held = std::make_shared<sdk::Promise<void>>(std::move(done));
    scheduler_.kill(
        id, [held](const sdk::Status& status) { status.ok() ? held->ok() : held->fail(status); });
  });
}

void MesosFactory::capacity(sdk::Promise<sdk::Capacity> done) {
  sdk::Capacity capacity;
  capacity.features = BERTH_CAPACITY_MEMORY_ENFORCED | BERTH_CAPACITY_CPU_ENFORCED;
  capacity.detail = "what the cluster has is told by its offers, as far as it is free";
  done.ok(std::move(capacity));
}

void MesosFactory::drain(sdk::Promise<void> done) {
  loop_.post([this, done = std::move(done)]() mutable {
    drained_ = true;
    if (creations_.empty()) return done.ok();
    draining_.push_back(std::move(done));
  });
}

void MesosFactory::stop(sdk::StopMode mode, sdk::Promise<void> done) {
  loop_.post([this, mode, done = std::move(done)]() mutable {
    run_stop(mode, std::make_shared<sdk::Promise<void>>(std::move(done)));
  });
}

void MesosFactory::run_stop(sdk::StopMode mode, std::shared_ptr<sdk::Promise<void>> done) {
  drained_ = true;
  stopped_ = true;
  end_start(sdk::cancelled("the plugin is being stopped"));
  std::vector<std::shared_ptr<Creation>> creations;
  for (const auto& [op, creation] : creations_) creations.push_back(creation);
  for (const auto& creation : creations) {
    fail_create(creation, sdk::cancelled("the plugin is being stopped"));
  }
  std::vector<std::shared_ptr<Reading>> readings;
  for (const auto& [op, reading] : readings_) readings.push_back(reading);
  for (const auto& reading : readings) read_ended(reading);
  if (mode == sdk::StopMode::kDetach) return finish_stop(std::move(done));
  const SteadyTime deadline =
      std::min(done->deadline() - milliseconds(100), Clock::now() + std::chrono::minutes(1));
  const auto kill_each = [this, done, deadline] {
    std::vector<std::string> ids;
    for (const auto& [id, task] : scheduler_.tasks()) ids.push_back(id);
    for (const std::string& id : ids) scheduler_.kill(id, [](const sdk::Status&) {});
    await_kills(done, deadline);
  };
  if (!config_.teardown_on_exit) return kill_each();
  scheduler_.teardown([this, done, kill_each](const sdk::Status& status) {
    if (status.ok()) return finish_stop(done);
    log_.warn("the framework could not be removed", {{"reason", status.to_string()}});
    kill_each();
  });
}

void MesosFactory::await_kills(std::shared_ptr<sdk::Promise<void>> done, SteadyTime deadline) {
  if (scheduler_.tasks().empty()) return finish_stop(std::move(done));
  if (Clock::now() >= deadline || !scheduler_.subscribed()) {
    const std::size_t left = scheduler_.tasks().size();
    scheduler_.stop();
    return done->fail(sdk::deadline_exceeded(
        std::to_string(left) + " tasks have not ended; the next start kills what is left of them"));
  }
  timer_.expires_after(kLook);
  timer_.async_wait([this, done, deadline](const boost::system::error_code& error) {
    if (!error) await_kills(done, deadline);
  });
}

void MesosFactory::finish_stop(std::shared_ptr<sdk::Promise<void>> done) {
  scheduler_.stop();
  timer_.cancel();
  counting_.cancel();
  store_.flush([done] { done->ok(); });
}

void MesosFactory::on_cancel(std::uint64_t id) {
  loop_.post([this, id] {
    if (const auto it = creations_.find(id); it != creations_.end()) {
      const std::shared_ptr<Creation> creation = it->second;
      fail_create(creation, sdk::cancelled("the create was cancelled"));
    }
    if (const auto it = readings_.find(id); it != readings_.end()) {
      const std::shared_ptr<Reading> reading = it->second;
      read_ended(reading);
    }
  });
}

}  // namespace berth::mesos
