// SPDX-License-Identifier: Apache-2.0
// The framework: subscription, its id, what the master says of it.
#include "mesos/scheduler/scheduler.hpp"

#include <boost/asio/post.hpp>

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kTick{100};
constexpr const char* kFrameworkKey = "framework";
constexpr std::string_view kTaskPrefix = "task/";

}  // namespace

Scheduler::Scheduler(asio::io_context& context, Settings settings, Store& store,
                     std::unique_ptr<TaskMatcher> matcher, Observer& observer)
    : context_(context),
      settings_(std::move(settings)),
      store_(store),
      matcher_(std::move(matcher)),
      observer_(observer),
      link_(context, settings_, *this),
      ticker_(context),
      trouble_(sdk::unavailable("no Mesos master has answered yet")) {}

Scheduler::~Scheduler() = default;

void Scheduler::start(std::function<void(const sdk::Status&)> subscribed) {
  on_first_subscription_ = std::move(subscribed);
  running_ = true;
  store_.load([this](const sdk::Status& status, std::map<std::string, std::string> entries) {
    if (!running_) return;
    if (!status.ok()) {
      if (on_first_subscription_) std::exchange(on_first_subscription_, nullptr)(status);
      return;
    }
    if (const auto it = entries.find(kFrameworkKey); it != entries.end()) {
      framework_id_ = it->second;
    }
    load_tasks(entries);
    next_full_reconcile_ = Clock::now() + settings_.reconcile_every;
    last_needed_ = Clock::now();
    tick();
    link_.start();
  });
}

void Scheduler::load_tasks(const std::map<std::string, std::string>& entries) {
  for (const auto& [key, value] : entries) {
    if (!std::string_view(key).starts_with(kTaskPrefix)) continue;
    v1::StoredTask stored;
    if (!stored.ParseFromString(value) || framework_id_.empty()) {
      store_.remove(key);
      continue;
    }
    auto task = std::make_unique<Task>();
    task->id = key.substr(kTaskPrefix.size());
    task->phase = Phase::kRunning;
    task->spec.name = stored.name();
    task->agent_id = stored.agent_id();
    task->hostname = stored.hostname();
    task->agent_url = stored.agent_url();
    task->ports.assign(stored.ports().begin(), stored.ports().end());
    task->container_id = stored.container_id();
    task->executor_id = stored.executor_id();
    task->nested = stored.nested();
    for (const v1::Label& label : stored.attributes()) {
      task->attributes[label.key()] = label.value();
    }
    task->spec.demand.group = stored.group();
    groups_.add(stored.group(), task->attributes);
    task->counted = true;
    task->stored = std::move(stored);
    unconfirmed_.insert(task->id);
    tasks_[task->id] = std::move(task);
  }
}

void Scheduler::stop() {
  if (!running_) return;
  running_ = false;
  ready_ = false;
  trouble_ = sdk::unavailable("the scheduler is stopping");
  link_.stop();
  ticker_.cancel();
  offers_.clear();
  fail_pending(trouble_);
  std::vector<std::string> unfinished;
  for (const auto& [launch, id] : launching_) unfinished.push_back(id);
  for (const std::string& id : unfinished) {
    if (const auto it = tasks_.find(id); it != tasks_.end()) end_launch(*it->second, trouble_);
  }
  for (const auto& [id, task] : tasks_) {
    for (KillDone& done : std::exchange(task->killed, {})) done(trouble_);
  }
}

void Scheduler::teardown(std::function<void(const sdk::Status&)> done) {
  if (framework_id_.empty()) {
    asio::post(context_, [done = std::move(done)] { done({}); });
    return;
  }
  torn_down_ = true;
  v1::Call call;
  call.set_type(v1::Call::TEARDOWN);
  link_.call(std::move(call), [this, done = std::move(done)](const sdk::Status& status) {
    if (status.ok()) {
      store_.remove(kFrameworkKey);
      for (const auto& [id, task] : tasks_) store_.remove(std::string(kTaskPrefix) + id);
      framework_id_.clear();
    }
    done(status);
  });
}

void Scheduler::make_subscribe(v1::Call& call) {
  v1::FrameworkInfo& info = *call.mutable_subscribe()->mutable_framework_info();
  info.set_user(settings_.user);
  info.set_name(settings_.framework_name);
  if (!framework_id_.empty()) {
    // Both, or the master says that they differ.
    call.mutable_framework_id()->set_value(framework_id_);
    info.mutable_id()->set_value(framework_id_);
  }
  info.set_failover_timeout(static_cast<double>(settings_.failover_timeout.count()));
  info.set_checkpoint(settings_.checkpoint);
  for (const std::string& role : settings_.roles) info.add_roles(role);
  if (!settings_.hostname.empty()) info.set_hostname(settings_.hostname);
  if (!settings_.webui_url.empty()) info.set_webui_url(settings_.webui_url);
  if (!settings_.principal.empty()) info.set_principal(settings_.principal);
  using Capability = v1::FrameworkInfo::Capability;
  for (const auto type : {Capability::TASK_KILLING_STATE, Capability::PARTITION_AWARE,
                          Capability::MULTI_ROLE, Capability::RESERVATION_REFINEMENT}) {
    info.add_capabilities()->set_type(type);
  }
  if (settings_.gpus) info.add_capabilities()->set_type(Capability::GPU_RESOURCES);
  // Who waits for nothing wants no offers after a change of masters either.
  if (subscription_ > 0 && pending_.empty()) {
    for (const std::string& role : settings_.roles)
      call.mutable_subscribe()->add_suppressed_roles(role);
    suppressed_ = true;
  } else {
    suppressed_ = false;
  }
}

void Scheduler::on_event(const v1::Event& event) {
  switch (event.type()) {
    case v1::Event::SUBSCRIBED: return on_subscribed(event.subscribed());
    case v1::Event::OFFERS: return on_offers(event.offers());
    case v1::Event::INVERSE_OFFERS: return on_inverse_offers(event.inverse_offers());
    case v1::Event::RESCIND: {
      const std::string& id = event.rescind().offer_id().value();
      offers_.remove_if([&](const HeldOffer& offer) { return offer.id() == id; });
      return;
    }
    case v1::Event::RESCIND_INVERSE_OFFER: {
      const std::string& id = event.rescind_inverse_offer().inverse_offer_id().value();
      std::erase_if(leaving_, [&](const auto& entry) { return entry.second.inverse_offer == id; });
      return;
    }
    case v1::Event::UPDATE: return on_update(event.update().status());
    case v1::Event::FAILURE: {
      // The agent's tasks are told of one by one; its offers are not always rescinded.
      if (!event.failure().has_agent_id() || event.failure().has_executor_id()) return;
      const std::string& agent = event.failure().agent_id().value();
      offers_.remove_if([&](const HeldOffer& offer) { return offer.agent() == agent; });
      leaving_.erase(agent);
      return;
    }
    case v1::Event::MESSAGE:
      return observer_.on_message(event.message().agent_id().value(),
                                  event.message().executor_id().value(), event.message().data());
    case v1::Event::ERROR: return on_error(event.error().message());
    default: return;  // HEARTBEAT, and what newer masters send
  }
}

void Scheduler::on_subscribed(const v1::Event::Subscribed& subscribed) {
  const std::string id = subscribed.framework_id().value();
  const std::uint64_t number = ++subscription_;
  counters_.subscriptions = number;
  offers_.clear();
  told_.clear();
  last_revive_ = {};
  last_needed_ = Clock::now();
  const auto ready = [this, number] {
    if (!running_ || subscription_ != number || !link_.subscribed()) return;
    ready_ = true;
    trouble_ = {};
    // What was decided while no master listened.
    for (const auto& [task_id, task] : tasks_) {
      if (task->phase == Phase::kKilling && task->unwanted) send_kill(*task);
      unconfirmed_.insert(task_id);
    }
    orphans_.clear();
    reconcile_pause_ = milliseconds(1'000);
    reconcile_all();
    observer_.on_link({});
    if (on_first_subscription_) std::exchange(on_first_subscription_, nullptr)({});
    schedule_match();
  };
  if (id == framework_id_) return ready();
  framework_id_ = id;
  // Nothing is launched before the id is safe: without it the tasks could not be found again.
  store_.put(kFrameworkKey, id, [this, ready](const sdk::Status& status) {
    if (status.ok()) return ready();
    trouble_ = status.with_context("keeping the framework's id");
    observer_.on_link(trouble_);
    if (running_) link_.resubscribe(trouble_, false);
  });
}

void Scheduler::on_error(const std::string& message) {
  told_ = message;
  if (message.find("has been removed") != std::string::npos ||
      message.find("Framework disconnected") != std::string::npos) {
    return framework_is_gone(message);
  }
  if (message.find("failed over") != std::string::npos) {
    // Two that take the framework from each other in turn would lose everybody's launches.
    fatal_ = "another scheduler has taken over the framework " + framework_id_ +
             ": give each berthd its own data directory, then restart this one";
    ready_ = false;
    trouble_ = sdk::failed_precondition(fatal_);
    offers_.clear();
    link_.stop();
    observer_.on_link(trouble_);
    fail_pending(trouble_);
  }
}

void Scheduler::framework_is_gone(const std::string& why) {
  observer_.on_note("the framework " + framework_id_ + " was removed from the cluster (" + why +
                    "), and its tasks with it: going on as a new one");
  framework_id_.clear();
  store_.remove(kFrameworkKey);
  Ending ending;
  ending.state = v1::TASK_KILLED;
  ending.reason = "REASON_FRAMEWORK_REMOVED";
  ending.message = why;
  std::vector<std::string> ids;
  for (const auto& [id, task] : tasks_) ids.push_back(id);
  for (const std::string& id : ids) {
    const auto it = tasks_.find(id);
    if (it == tasks_.end()) continue;
    Task& task = *it->second;
    const bool unborn = task.phase == Phase::kLaunching || task.phase == Phase::kStarting;
    unborn ? relaunch(task, ending) : ended(task, ending);
  }
}

void Scheduler::on_lost(const sdk::Status& why) {
  ready_ = false;
  offers_.clear();
  if (!fatal_.empty()) return;
  if (torn_down_) return link_.stop();  // the end of the stream may come before the call's answer
  trouble_ =
      told_.empty() ? why : sdk::unavailable("the Mesos master refuses the framework: " + told_);
  observer_.on_link(trouble_);
}

sdk::Status Scheduler::state() const {
  return trouble_;
}

void Scheduler::call(v1::Call call, MasterLink::Done done) {
  const std::string name = v1::Call::Type_Name(call.type());
  link_.call(std::move(call), [this, name, done = std::move(done)](const sdk::Status& status) {
    if (status.code() == sdk::StatusCode::kInternal) {
      observer_.on_note(name + ": " + status.message());
    }
    if (done) done(status);
  });
}

void Scheduler::remember(const std::string& id, const v1::StoredTask& stored) {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return;
  Task& task = *it->second;
  task.stored = stored;
  v1::StoredTask& s = task.stored;
  s.set_name(task.spec.name);
  s.set_agent_id(task.agent_id);
  s.set_hostname(task.hostname);
  s.set_agent_url(task.agent_url);
  s.set_container_id(task.container_id);
  s.set_executor_id(task.executor_id);
  s.set_nested(task.nested);
  s.set_group(task.spec.demand.group);
  s.clear_ports();
  for (const std::uint32_t port : task.ports) s.add_ports(port);
  s.clear_attributes();
  for (const auto& [name, value] : task.attributes) {
    v1::Label& label = *s.add_attributes();
    label.set_key(name);
    label.set_value(value);
  }
  store_.put(std::string(kTaskPrefix) + id, s.SerializeAsString(), [](const sdk::Status&) {});
}

const Task* Scheduler::find(const std::string& id) const {
  const auto it = tasks_.find(id);
  return it == tasks_.end() ? nullptr : it->second.get();
}

void Scheduler::tick() {
  ticker_.expires_after(kTick);
  ticker_.async_wait([this](const boost::system::error_code& error) {
    if (error || !running_) return;
    const SteadyTime now = Clock::now();
    expire_pending(now);
    expire_offers(now);
    check_tasks(now);
    leave_agents(now);
    if (!pending_.empty() && ready_) schedule_match();
    if (ready_ && now >= next_reconcile_) {
      reconcile({unconfirmed_.begin(), unconfirmed_.end()});
      reconcile_pause_ = std::min(reconcile_pause_ * 2, milliseconds(30'000));
      next_reconcile_ = unconfirmed_.empty() ? SteadyTime::max() : now + reconcile_pause_;
    }
    if (ready_ && now >= next_full_reconcile_) reconcile_all();
    tick();
  });
}

}  // namespace berth::mesos
