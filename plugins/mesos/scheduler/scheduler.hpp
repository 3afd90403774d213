// SPDX-License-Identifier: Apache-2.0
// Scheduler: a Mesos framework. Launches tasks, kills them, tells how they fare, survives masters.
//
//   Scheduler scheduler(context, settings, store, make_matcher("first-match"), observer);
//   scheduler.start([](const sdk::Status& subscribed) { ... });
//   scheduler.launch(spec, deadline, [](const sdk::Status& status, const Task* task) { ... });
//   scheduler.kill(task_id, [](const sdk::Status& status) { ... });
//
// A task is pending until an offer has room for it, then launched under a fresh id; one that never
// started because its offer or agent had gone is launched again elsewhere. Whatever runs under our
// framework and is not in the table is an orphan and is killed. The framework's id, and tasks that
// were remember()ed, are kept in the Store: the next Scheduler with it goes on with them.
// The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "berth/sdk/status.hpp"
#include "mesos/scheduler/master_link.hpp"
#include "mesos/scheduler/settings.hpp"
#include "mesos/scheduler/store.hpp"
#include "mesos/tasks/agent_trust.hpp"
#include "mesos/tasks/held_offer.hpp"
#include "mesos/tasks/task_matcher.hpp"
#include "mesos/tasks/task_state.hpp"

namespace berth::mesos {

// What to launch.
struct TaskSpec {
  std::string name;  // the task's id begins with it: letters, digits, '-', '.', '_'
  Demand demand;
  v1::TaskInfo info;  // all but id, agent and resources
  bool wait_until_healthy = false;
  std::string image;  // for messages
  bool user_image = false;
  // As a task group of its own, run by Mesos' default executor (demand.executor must be set): for
  // what only that can do. Its network is the executor's. Else by the command or docker executor.
  bool as_group = false;
  // Puts the ports that the task got into its info; may be empty.
  std::function<void(const std::vector<std::uint32_t>& ports, v1::TaskInfo& info)> set_ports;
};

struct Task;
using LaunchDone = std::function<void(const sdk::Status&, const Task*)>;
using KillDone = std::function<void(const sdk::Status&)>;

struct Task {
  std::string id;
  TaskSpec spec;
  Phase phase = Phase::kLaunching;
  std::string agent_id;
  std::string hostname;
  std::string agent_ip;   // may be empty
  std::string agent_url;  // "http://host:port" of the agent's own API; may be empty
  std::vector<std::uint32_t> ports;
  std::string container_ip;  // as the executor told it; may be the agent's
  std::string container_id;
  std::string executor_id;
  bool nested = false;                            // container_id is inside the executor's container
  std::map<std::string, std::string> attributes;  // of its agent
  v1::StoredTask stored;                          // what remember() keeps

  // The Scheduler's own.
  SteadyTime deadline = SteadyTime::max();
  std::uint64_t launch = 0;  // 0: of an earlier scheduler
  LaunchDone launched;
  std::vector<KillDone> killed;
  unsigned attempts = 0;
  SteadyTime kill_again = SteadyTime::max();
  unsigned kills = 0;  // that a master was told
  SteadyTime first_kill{};
  SteadyTime give_up_at = SteadyTime::max();
  bool counted = false;   // in the groups
  bool unwanted = false;  // we kill it: nobody is told of its end
};

class Observer {
 public:
  virtual ~Observer() = default;
  // A task that had been launched ended without kill(). It goes when this returns.
  virtual void on_ended(const Task& task, const Ending& ending) = 0;
  // The subscription came to be (OK) or was lost; each of the attempts after it too.
  virtual void on_link(const sdk::Status& status) = 0;
  // A message of an executor's; `data` is what the two have agreed on.
  virtual void on_message(const std::string& agent_id, const std::string& executor_id,
                          const std::string& data) {
    (void)agent_id, (void)executor_id, (void)data;
  }
  // Something an operator should read.
  virtual void on_note(const std::string& text) = 0;
};

class Scheduler final : private MasterLink::Listener {
 public:
  // All must outlive it.
  Scheduler(boost::asio::io_context& context, Settings settings, Store& store,
            std::unique_ptr<TaskMatcher> matcher, Observer& observer);
  ~Scheduler() override;

  // Loads the store and subscribes. `subscribed` comes once, with the first subscription or with
  // what the store said; while no master answers it does not come.
  void start(std::function<void(const sdk::Status&)> subscribed);
  // Unsubscribes, leaving the tasks to the cluster for the failover timeout. Pending launches fail.
  void stop();
  // Removes the framework and with it all its tasks; the next start is a new framework.
  void teardown(std::function<void(const sdk::Status&)> done);

  // Launches a task; `done` comes once, never from inside: OK when it runs, else
  //   RESOURCE_EXHAUSTED  no offer had room until `deadline`; the message says what was missing
  //   UNAVAILABLE         no master, or the cluster could not run it: again may help
  //   DEADLINE_EXCEEDED   it was launched and did not run until `deadline`
  //   CANCELLED           kill() came first
  //   and what launch_error() says. Returns a handle for cancel().
  std::uint64_t launch(TaskSpec spec, SteadyTime deadline, LaunchDone done);
  // Gives a launch up, with CANCELLED; without effect if it ended.
  void cancel(std::uint64_t launch);

  // Kills a task. `done` comes when it ended or is out of sight; NOT_FOUND if there is none.
  void kill(const std::string& id, KillDone done);

  // Sends a message to a task's executor: at most once, and without an answer. NOT_FOUND if there
  // is no such task, or nobody has said yet what runs it.
  sdk::Status send_message(const std::string& id, const std::string& data);

  // Keeps a task over restarts; its `stored` is what the plugin made of it.
  void remember(const std::string& id, const v1::StoredTask& stored);

  const Task* find(const std::string& id) const;
  const std::unordered_map<std::string, std::unique_ptr<Task>>& tasks() const { return tasks_; }
  // Remembered tasks of which the cluster has not said anything since the last subscription.
  std::size_t unconfirmed() const { return unconfirmed_.size(); }
  std::size_t pending() const { return pending_.size(); }
  std::size_t offers() const { return offers_.size(); }
  bool subscribed() const { return link_.subscribed() && ready_; }
  const std::string& framework_id() const { return framework_id_; }
  const std::string& master() const { return link_.master(); }
  // OK, or why nothing can be launched just now.
  sdk::Status state() const;

  struct Counters {
    std::uint64_t launched = 0, failed = 0, relaunched = 0, orphans = 0, subscriptions = 0;
  };
  const Counters& counters() const { return counters_; }
  // Agents that get tasks only where no other has room, as they failed to start some.
  std::size_t doubted_agents() const { return trust_.doubts(std::chrono::steady_clock::now()); }

 private:
  struct Pending {
    std::uint64_t number;
    TaskSpec spec;
    SteadyTime deadline;
    LaunchDone done;
    SteadyTime since;
    unsigned attempts = 0;
  };

  // scheduler.cpp: the framework
  void make_subscribe(v1::Call& call) override;
  void on_event(const v1::Event& event) override;
  void on_lost(const sdk::Status& why) override;
  void on_subscribed(const v1::Event::Subscribed& subscribed);
  void on_error(const std::string& message);
  void load_tasks(const std::map<std::string, std::string>& entries);
  void framework_is_gone(const std::string& why);
  void tick();
  void call(v1::Call call, MasterLink::Done done = {});

  // launching.cpp: offers and pending launches
  void on_offers(const v1::Event::Offers& offers);
  void on_inverse_offers(const v1::Event::InverseOffers& offers);
  void schedule_match();
  void match();
  // Of the launches that have been pending since then or longer.
  void match_with(std::vector<HeldOffer*>& offers, SteadyTime waiting_since);
  // What is accepted of one offer.
  struct Placement {
    std::vector<std::string> ids;
    v1::Call::Accept accept;
    v1::Offer::Operation::Launch* launch = nullptr;  // in `accept`; of those without a group
  };
  void accept(const HeldOffer& offer, Placement placement);
  void place(Pending& pending, HeldOffer& offer, Placement& into);
  void add_group(HeldOffer& offer, v1::TaskInfo info, Placement& into);
  void decline(const std::vector<std::string>& offers);
  void ask_for_offers();
  void expire_pending(SteadyTime now);
  void expire_offers(SteadyTime now);
  void fail_pending(const sdk::Status& why);
  bool is_leaving(const HeldOffer& offer) const;

  // running.cpp: tasks that were launched
  void on_update(const v1::TaskStatus& status);
  void acknowledge(const v1::TaskStatus& status);
  void on_orphan(const v1::TaskStatus& status);
  void learn(Task& task, const v1::TaskStatus& status);
  void started(Task& task);
  void relaunch(Task& task, const Ending& why);
  void ended(Task& task, const Ending& ending);
  void end_launch(Task& task, const sdk::Status& why);
  void discard(Task& task);
  void send_kill(Task& task);
  void send_kill(const std::string& id, const std::string& agent);
  void send_shutdown(const Task& task);
  void reconcile(const std::vector<std::string>& ids);
  void reconcile_all();
  void leave_agents(SteadyTime now);
  void check_tasks(SteadyTime now);
  std::string fresh_id(const std::string& name);

  boost::asio::io_context& context_;
  const Settings settings_;
  Store& store_;
  const std::unique_ptr<TaskMatcher> matcher_;
  Observer& observer_;
  MasterLink link_;
  boost::asio::steady_timer ticker_;
  std::mt19937_64 random_{std::random_device{}()};

  std::function<void(const sdk::Status&)> on_first_subscription_;
  std::string framework_id_;
  bool ready_ = false;  // subscribed, and the framework's id is in the store
  bool running_ = false;
  bool torn_down_ = false;
  sdk::Status trouble_;  // why nothing can be launched; OK while all is well
  std::string fatal_;    // what made us stop looking for masters
  std::string told_;     // the last error the master told
  std::uint64_t subscription_ = 0;

  std::list<Pending> pending_;
  std::uint64_t last_launch_ = 0;
  std::map<std::uint64_t, std::string> launching_;  // launch -> task
  std::list<HeldOffer> offers_;
  struct Leaving {
    SteadyTime when;
    std::string inverse_offer;
  };
  std::unordered_map<std::string, Leaving> leaving_;  // agents with maintenance
  AgentTrust trust_;
  GroupTable groups_;
  bool match_scheduled_ = false;
  bool suppressed_ = false;
  SteadyTime last_revive_{};
  milliseconds revive_pause_{0};
  SteadyTime last_needed_{};  // when a launch was last pending

  std::unordered_map<std::string, std::unique_ptr<Task>> tasks_;
  std::set<std::string> watched_;  // tasks with something due: a deadline, a kill, a giving up
  std::unordered_set<std::string> unconfirmed_;
  std::unordered_map<std::string, SteadyTime> orphans_;  // killed: not again before
  SteadyTime next_reconcile_ = SteadyTime::max();
  milliseconds reconcile_pause_{0};
  SteadyTime next_full_reconcile_ = SteadyTime::max();
  Counters counters_;
};

}  // namespace berth::mesos
