// SPDX-License-Identifier: Apache-2.0
// Scheduler: tasks that were launched, until they end.
#include <algorithm>
#include <boost/asio/post.hpp>

#include "mesos/scheduler/scheduler.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReconcileBatch = 1000;
constexpr unsigned kKillsBeforeShutdown = 2;
constexpr unsigned kFailuresToTell = 3;

}  // namespace

// Only updates with a uuid: those the master makes and answers to reconciliation have none. Also of
// tasks that nobody knows, or their agents send them for ever.
void Scheduler::acknowledge(const v1::TaskStatus& status) {
  if (!status.has_uuid() || status.uuid().empty() || !status.has_agent_id()) return;
  v1::Call ack;
  ack.set_type(v1::Call::ACKNOWLEDGE);
  *ack.mutable_acknowledge()->mutable_agent_id() = status.agent_id();
  *ack.mutable_acknowledge()->mutable_task_id() = status.task_id();
  ack.mutable_acknowledge()->set_uuid(status.uuid());
  call(std::move(ack));
}

void Scheduler::on_update(const v1::TaskStatus& status) {
  acknowledge(status);
  const std::string& id = status.task_id().value();
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return on_orphan(status);
  Task& task = *it->second;
  unconfirmed_.erase(id);
  learn(task, status);
  const Step step = advance(task.phase, status, task.spec.wait_until_healthy);
  task.phase = step.phase == Phase::kEnded ? task.phase : step.phase;
  switch (step.act) {
    case Act::kNone: return;
    case Act::kStarted: return started(task);
    case Act::kRecovered:
      task.give_up_at = SteadyTime::max();
      return observer_.on_note("task " + id + " is back");
    case Act::kLost:
      task.give_up_at = Clock::now() + settings_.unreachable_after;
      watched_.insert(id);
      return observer_.on_note("task " + id + " is out of sight: " + ending_of(status).text());
    case Act::kRelaunch: return relaunch(task, ending_of(status));
    case Act::kEnded: return ended(task, ending_of(status));
    case Act::kKillAgain:
      if (task.unwanted && Clock::now() >= task.kill_again) send_kill(task);
      return;
  }
}

void Scheduler::on_orphan(const v1::TaskStatus& status) {
  const std::string& id = status.task_id().value();
  const bool alive = !is_terminal(status.state()) && status.state() != v1::TASK_UNKNOWN &&
                     status.state() != v1::TASK_UNREACHABLE;
  if (!alive) {
    orphans_.erase(id);
    return;
  }
  const SteadyTime now = Clock::now();
  SteadyTime& again = orphans_[id];
  if (now < again) return;
  if (again == SteadyTime{}) ++counters_.orphans;
  again = now + settings_.kill_retry;
  send_kill(id, status.agent_id().value());
}

// The address is right only in the executor's RUNNING and in answers to reconciliation: in other
// states it is the agent's.
void Scheduler::learn(Task& task, const v1::TaskStatus& status) {
  if (status.has_executor_id()) task.executor_id = status.executor_id().value();
  if (status.container_status().has_container_id()) {
    const v1::ContainerID& container = status.container_status().container_id();
    task.container_id = container.value();
    task.nested = container.has_parent();
  }
  if (status.state() != v1::TASK_RUNNING) return;
  for (const v1::NetworkInfo& network : status.container_status().network_infos()) {
    for (const v1::NetworkInfo::IPAddress& address : network.ip_addresses()) {
      if (address.ip_address().empty()) continue;
      task.container_ip = address.ip_address();
      return;
    }
  }
}

void Scheduler::started(Task& task) {
  launching_.erase(task.launch);
  task.deadline = SteadyTime::max();
  trust_.started(task.agent_id);
  if (!task.launched) return;
  // Its owner may kill it from inside, and with it `task`.
  const LaunchDone done = std::exchange(task.launched, nullptr);
  done({}, &task);
}

// Takes a task out of all tables; only its ending is left to tell.
void Scheduler::discard(Task& task) {
  if (task.counted) groups_.remove(task.spec.demand.group, task.attributes);
  unconfirmed_.erase(task.id);
  watched_.erase(task.id);
  launching_.erase(task.launch);
  if (task.stored.ByteSizeLong() > 0) store_.remove("task/" + task.id);
  tasks_.erase(task.id);
}

void Scheduler::relaunch(Task& task, const Ending& why) {
  if (!task.launched || task.attempts >= settings_.launch_attempts) return ended(task, why);
  ++counters_.relaunched;
  Pending again{task.launch,  std::move(task.spec), task.deadline, std::move(task.launched),
                Clock::now(), task.attempts};
  task.launched = nullptr;
  task.spec.demand.group = again.spec.demand.group;  // for its counts
  const std::vector<KillDone> killed = std::exchange(task.killed, {});
  discard(task);
  pending_.push_front(std::move(again));
  revive_pause_ = settings_.revive_interval;
  for (const KillDone& done : killed) done({});
  schedule_match();
}

void Scheduler::ended(Task& task, const Ending& ending) {
  const auto held = tasks_.find(task.id);
  const std::unique_ptr<Task> last = std::move(held->second);  // outlives its tables
  const LaunchDone launched = std::exchange(last->launched, nullptr);
  const std::vector<KillDone> killed = std::exchange(last->killed, {});
  discard(*last);
  last->phase = Phase::kEnded;
  if (launched) {
    ++counters_.failed;
    const sdk::Status why = launch_error(ending, last->spec.image, last->spec.user_image);
    // What the image did itself is ABORTED; a pull is the registry's.
    if (ending.state == v1::TASK_FAILED && why.code() == sdk::StatusCode::kUnavailable &&
        trust_.failed(last->agent_id, Clock::now()) == kFailuresToTell) {
      observer_.on_note("agent " + last->hostname + " failed to start " +
                        std::to_string(kFailuresToTell) +
                        " tasks in a row: others are preferred; the last: " + ending.text());
    }
    launched(why, nullptr);
  } else if (!last->unwanted) {
    observer_.on_ended(*last, ending);
  }
  for (const KillDone& done : killed) done({});
}

// A launch that nobody waits for any more, or that took too long.
void Scheduler::end_launch(Task& task, const sdk::Status& why) {
  launching_.erase(task.launch);
  const LaunchDone launched = std::exchange(task.launched, nullptr);
  task.deadline = SteadyTime::max();
  task.unwanted = true;
  task.phase = Phase::kKilling;
  send_kill(task);
  if (launched) {
    ++counters_.failed;
    launched(why, nullptr);
  }
}

void Scheduler::kill(const std::string& id, KillDone done) {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) {
    asio::post(context_, [id, done = std::move(done)] { done(sdk::not_found("no task " + id)); });
    return;
  }
  Task& task = *it->second;
  if (task.launched) return end_launch(task, sdk::cancelled("the task was killed")), kill(id, done);
  if (task.phase == Phase::kUnreachable) {
    // Nobody can kill it now. When it is back it is nobody's, and killed then.
    task.unwanted = true;
    discard(task);
    asio::post(context_, [done = std::move(done)] { done({}); });
    return;
  }
  task.killed.push_back(std::move(done));
  if (task.unwanted) return;  // on its way
  task.unwanted = true;
  task.phase = Phase::kKilling;
  // A restart shall not find it again: what is left of it then is an orphan.
  if (task.stored.ByteSizeLong() > 0) store_.remove("task/" + id);
  task.stored.Clear();
  send_kill(task);
}

void Scheduler::send_kill(Task& task) {
  const SteadyTime now = Clock::now();
  task.kill_again = now + settings_.kill_retry;
  watched_.insert(task.id);
  if (!link_.subscribed()) return;  // the next subscription says it
  send_kill(task.id, task.agent_id);
  if (task.kills++ == 0) task.first_kill = now;
  // An executor that does not obey goes itself, and with it the task; but one that still waits for
  // the task to end by itself does obey.
  const bool had_its_time = now - task.first_kill > settings_.kill_grace + settings_.kill_retry;
  if (task.kills > kKillsBeforeShutdown && had_its_time) send_shutdown(task);
}

void Scheduler::send_shutdown(const Task& task) {
  if (task.executor_id.empty() || task.agent_id.empty()) return;
  v1::Call shutdown;
  shutdown.set_type(v1::Call::SHUTDOWN);
  shutdown.mutable_shutdown()->mutable_executor_id()->set_value(task.executor_id);
  shutdown.mutable_shutdown()->mutable_agent_id()->set_value(task.agent_id);
  call(std::move(shutdown));
}

sdk::Status Scheduler::send_message(const std::string& id, const std::string& data) {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return sdk::not_found("no task " + id);
  const Task& task = *it->second;
  if (task.executor_id.empty()) return sdk::not_found("task " + id + " has no executor yet");
  if (!link_.subscribed()) return sdk::unavailable("there is no master just now");
  v1::Call message;
  message.set_type(v1::Call::MESSAGE);
  message.mutable_message()->mutable_agent_id()->set_value(task.agent_id);
  message.mutable_message()->mutable_executor_id()->set_value(task.executor_id);
  message.mutable_message()->set_data(data);
  call(std::move(message));
  return {};
}

void Scheduler::send_kill(const std::string& id, const std::string& agent) {
  if (!link_.subscribed()) return;  // the next subscription says it
  v1::Call kill;
  kill.set_type(v1::Call::KILL);
  kill.mutable_kill()->mutable_task_id()->set_value(id);
  if (!agent.empty()) kill.mutable_kill()->mutable_agent_id()->set_value(agent);
  kill.mutable_kill()->mutable_kill_policy()->mutable_grace_period()->set_nanoseconds(
      std::chrono::nanoseconds(settings_.kill_grace).count());
  call(std::move(kill));
}

void Scheduler::check_tasks(SteadyTime now) {
  const std::vector<std::string> ids(watched_.begin(), watched_.end());
  for (const std::string& id : ids) {
    const auto it = tasks_.find(id);
    if (it == tasks_.end()) {
      watched_.erase(id);
      continue;
    }
    Task& task = *it->second;
    if (task.launched && task.deadline <= now) {
      end_launch(task, sdk::deadline_exceeded("image '" + task.spec.image + "': the task was " +
                                              to_string(task.phase) + " on agent " + task.hostname +
                                              " for too long"));
    } else if (task.give_up_at <= now) {
      Ending ending;
      ending.state = v1::TASK_UNREACHABLE;
      ending.message = "its agent " + task.hostname + " is out of sight";
      ended(task, ending);
    } else if (task.unwanted && task.kill_again <= now) {
      send_kill(task);
    } else if (!task.launched && !task.unwanted && task.give_up_at == SteadyTime::max()) {
      watched_.erase(id);
    }
  }
}

void Scheduler::leave_agents(SteadyTime now) {
  for (const auto& [agent, leaving] : leaving_) {
    if (leaving.when > now) continue;
    std::vector<std::string> ids;
    for (const auto& [id, task] : tasks_) {
      if (task->agent_id == agent && task->phase == Phase::kRunning && !task->unwanted) {
        ids.push_back(id);
      }
    }
    for (const std::string& id : ids) {
      const auto it = tasks_.find(id);
      if (it == tasks_.end()) continue;
      Ending ending;
      ending.state = v1::TASK_KILLED;
      ending.message = "agent " + it->second->hostname + " is about to be maintained";
      observer_.on_ended(*it->second, ending);
      if (tasks_.count(id) > 0) kill(id, [](const sdk::Status&) {});
    }
  }
}

void Scheduler::reconcile(const std::vector<std::string>& ids) {
  for (std::size_t at = 0; at < ids.size(); at += kReconcileBatch) {
    v1::Call call_;
    call_.set_type(v1::Call::RECONCILE);
    for (std::size_t i = at; i < std::min(ids.size(), at + kReconcileBatch); ++i) {
      const auto it = tasks_.find(ids[i]);
      if (it == tasks_.end()) continue;
      v1::Call::Reconcile::Task& task = *call_.mutable_reconcile()->add_tasks();
      task.mutable_task_id()->set_value(ids[i]);
      // Without the agent's id nothing is said of tasks that are out of sight.
      if (!it->second->agent_id.empty()) {
        task.mutable_agent_id()->set_value(it->second->agent_id);
      }
    }
    if (call_.reconcile().tasks_size() > 0) call(std::move(call_));
  }
}

// Each of ours by name, and then all that the master knows: what is not ours any more is killed.
void Scheduler::reconcile_all() {
  const SteadyTime now = Clock::now();
  next_full_reconcile_ = now + settings_.reconcile_every;
  std::vector<std::string> ids;
  for (const auto& [id, task] : tasks_) {
    if (task->phase == Phase::kLaunching && unconfirmed_.count(id) == 0) continue;
    ids.push_back(id);
    unconfirmed_.insert(id);
  }
  reconcile(ids);
  v1::Call all;
  all.set_type(v1::Call::RECONCILE);
  all.mutable_reconcile();
  call(std::move(all));
  // A master that has just started does not answer for agents that are not back.
  if (reconcile_pause_.count() == 0) reconcile_pause_ = milliseconds(1'000);
  next_reconcile_ = unconfirmed_.empty() ? SteadyTime::max() : now + reconcile_pause_;
}

}  // namespace berth::mesos
