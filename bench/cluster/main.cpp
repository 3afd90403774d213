// SPDX-License-Identifier: Apache-2.0
// What our Mesos scheduler costs: one cycle of matching over many agents, and on a simulated
// cluster launches beside a client that does the least (floor.hpp).
//
//   bench_cluster MASTER_URL LAUNCHES      prints a JSON array of results
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

#include "floor.hpp"
#include "instant_master.hpp"
#include "mesos/scheduler/memory_store.hpp"
#include "mesos/scheduler/scheduler.hpp"

namespace berth::bench {
namespace {

namespace json = boost::json;
using namespace mesos;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}
double cpu_ms() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

json::object row(const char* metric, double value, const char* unit, const char* reference = "",
                 double other = 0) {
  json::object o{{"bench", "cluster"}, {"metric", metric}, {"value", value}, {"unit", unit}};
  o["reference"] = *reference != '\0' ? json::value(reference) : json::value(nullptr);
  o["ratio"] = other > 0 ? json::value(value / other) : json::value(nullptr);
  return o;
}

v1::Offer offer(int number) {
  v1::Offer o;
  o.mutable_id()->set_value(fmt::format("O{}", number));
  o.mutable_agent_id()->set_value(fmt::format("S{}", number));
  o.set_hostname(fmt::format("agent-{}", number));
  const auto scalar = [&](const char* name, double value) {
    v1::Resource& r = *o.add_resources();
    r.set_name(name);
    r.set_type(v1::Value::SCALAR);
    r.mutable_scalar()->set_value(value);
  };
  scalar("cpus", 1 + number % 8);
  scalar("mem", 256 * (1 + number % 16));
  v1::Resource& ports = *o.add_resources();
  ports.set_name("ports");
  ports.set_type(v1::Value::RANGES);
  auto& range = *ports.mutable_ranges()->add_range();
  range.set_begin(31000);
  range.set_end(31999);
  return o;
}

// One cycle: offers as they come off the wire are taken up, matched and taken from.
double cycle(const char* matcher, int agents, int tasks) {
  std::vector<v1::Offer> wire;
  for (int i = 0; i < agents; ++i) wire.push_back(offer(i));
  std::vector<Demand> demands(static_cast<std::size_t>(tasks));
  for (std::size_t i = 0; i < demands.size(); ++i) {
    demands[i].cpus = 250;
    demands[i].mem = static_cast<std::int64_t>(128 << (i % 4)) * 1000;
    demands[i].ports = 1;
  }
  const auto strategy = make_matcher(matcher);
  const auto begin = Clock::now();
  std::vector<HeldOffer> held;
  held.reserve(wire.size());
  for (v1::Offer& one : wire) held.emplace_back(std::move(one), begin);
  std::vector<HeldOffer*> offers;
  for (HeldOffer& one : held) offers.push_back(&one);
  std::vector<const Demand*> pending;
  for (const Demand& one : demands) pending.push_back(&one);
  GroupTable groups;
  int placed = 0;
  strategy->match(pending, offers, groups, [&](std::size_t task, std::size_t where) {
    v1::TaskInfo info;
    std::vector<std::uint32_t> ports;
    offers[where]->take(demands[task], info, ports);
    ++placed;
  });
  const double ms = ms_since(begin);
  if (placed != tasks) std::abort();
  return ms;
}

class Quiet final : public Observer {
  void on_ended(const Task&, const Ending&) override {}
  void on_link(const sdk::Status&) override {}
  void on_note(const std::string& text) override { std::fprintf(stderr, "%s\n", text.c_str()); }
};

struct Result {
  std::vector<double> one_by_one;  // ms from launch to running
  double all_at_once = 0;          // ms for all of them
  double cpu = 0;                  // ms of our process for those
};

// Launches through `launch(id, running)`: one after the other, then all together.
template <typename Launch>
void measure(Launch launch, int count, Result& result, std::function<void()> done) {
  struct State {
    int next = 0;
    int running = 0;
    Clock::time_point begin;
    double cpu = 0;
    std::function<void()> step;
  };
  const auto state = std::make_shared<State>();
  state->step = [=, &result] {
    if (state->next < count) {
      state->begin = Clock::now();
      launch(fmt::format("one-{}", state->next++), [=, &result] {
        result.one_by_one.push_back(ms_since(state->begin));
        state->step();
      });
      return;
    }
    state->begin = Clock::now();
    state->cpu = cpu_ms();
    const int all = count * 10;
    for (int i = 0; i < all; ++i) {
      launch(fmt::format("all-{}", i), [=, &result] {
        if (++state->running < all) return;
        result.all_at_once = ms_since(state->begin);
        result.cpu = cpu_ms() - state->cpu;
        done();
        state->step = nullptr;
      });
    }
  };
  state->step();
}

Settings settings_for(const char* master) {
  Settings settings;
  settings.masters = {master};
  settings.offer_hold = std::chrono::hours(1);
  settings.revive_interval = milliseconds(1);
  return settings;
}

TaskSpec spec_of(const std::string& id) {
  TaskSpec spec;
  spec.name = id;
  spec.demand.cpus = 10;
  spec.demand.mem = 32'000;
  spec.info.mutable_container()->set_type(v1::ContainerInfo::DOCKER);
  spec.info.mutable_container()->mutable_docker()->set_image("x");
  spec.info.mutable_command()->set_shell(false);
  return spec;
}

Result ours(const char* master, int count) {
  boost::asio::io_context context;
  MemoryStore store(context);
  Quiet quiet;
  Scheduler scheduler(context, settings_for(master), store, make_matcher("first-match"), quiet);
  Result result;
  const auto launch = [&](const std::string& id, std::function<void()> running) {
    scheduler.launch(spec_of(id), Clock::now() + std::chrono::minutes(10),
                     [running = std::move(running)](const sdk::Status& status, const Task*) {
                       if (!status.ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
                       running();
                     });
  };
  scheduler.start([&](const sdk::Status&) {
    measure(launch, count, result, [&] {
      boost::asio::post(context,
                        [&] { scheduler.teardown([&](const sdk::Status&) { context.stop(); }); });
    });
  });
  context.run();
  return result;
}

Result floor_of(const char* master, int count) {
  boost::asio::io_context context;
  Floor floor(context, settings_for(master));
  Result result;
  floor.start([&] {
    measure([&](const std::string& id,
                std::function<void()> running) { floor.launch(id, std::move(running)); },
            count, result,
            [&] { boost::asio::post(context, [&] { floor.teardown([&] { context.stop(); }); }); });
  });
  context.run();
  return result;
}

double resident_mb() {
  std::ifstream statm("/proc/self/statm");
  double size = 0, resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

struct Scale {
  double launched_ms = 0;   // until all ran
  double launched_cpu = 0;  // ms of our process
  double resident_mb = 0;   // more than before
  double back_ms = 0;       // from the leader's end to the next subscription
  double confirmed_ms = 0;  // and until the last task was confirmed
  double confirmed_cpu = 0;
};

// `tasks` at once on `agents` that answer at once; then their leader dies.
Scale scale_of_ours(int agents, int tasks) {
  InstantMaster master(agents);
  boost::asio::io_context context;
  MemoryStore store(context);
  Quiet quiet;
  Scheduler scheduler(context, settings_for(master.url().c_str()), store,
                      make_matcher("first-match"), quiet);
  Scale result;
  Clock::time_point begin;
  double cpu = 0;
  const double resident = resident_mb();
  int running = 0;
  std::uint64_t subscriptions = 0;
  boost::asio::steady_timer poll(context);
  std::function<void()> look = [&] {
    if (scheduler.subscribed() && scheduler.counters().subscriptions > subscriptions) {
      if (result.back_ms == 0) result.back_ms = ms_since(begin);
      if (scheduler.unconfirmed() == 0) {
        result.confirmed_ms = ms_since(begin);
        result.confirmed_cpu = cpu_ms() - cpu;
        return context.stop();
      }
    }
    poll.expires_after(milliseconds(1));
    poll.async_wait([&](const boost::system::error_code&) { look(); });
  };
  const auto launched = [&](const sdk::Status& status, const Task* task) {
    if (!status.ok()) throw std::runtime_error(status.to_string());
    scheduler.remember(task->id, v1::StoredTask());
    if (++running < tasks) return;
    result.launched_ms = ms_since(begin);
    result.launched_cpu = cpu_ms() - cpu;
    result.resident_mb = resident_mb() - resident;
    subscriptions = scheduler.counters().subscriptions;
    begin = Clock::now();
    cpu = cpu_ms();
    master.fail_over();
    boost::asio::post(context, look);
  };
  scheduler.start([&](const sdk::Status&) {
    begin = Clock::now();
    cpu = cpu_ms();
    for (int i = 0; i < tasks; ++i) {
      scheduler.launch(spec_of(fmt::format("task-{}", i)), begin + std::chrono::minutes(10),
                       launched);
    }
  });
  context.run();
  return result;
}

// The least that does the same: nothing is kept of a task.
Result scale_of_floor(int agents, int tasks) {
  InstantMaster master(agents);
  boost::asio::io_context context;
  Floor floor(context, settings_for(master.url().c_str()));
  Result result;
  int running = 0;
  floor.start([&] {
    const auto begin = Clock::now();
    const double cpu = cpu_ms();
    for (int i = 0; i < tasks; ++i) {
      floor.launch(fmt::format("task-{}", i), [&, begin, cpu] {
        if (++running < tasks) return;
        result.all_at_once = ms_since(begin);
        result.cpu = cpu_ms() - cpu;
        context.stop();
      });
    }
  });
  context.run();
  return result;
}

void add_scale(json::array& rows) {
  constexpr int kAgents = 10'000, kTasks = 100'000;
  const Result least = scale_of_floor(kAgents, kTasks);
  const Scale own = scale_of_ours(kAgents, kTasks);
  constexpr const char* kBare = "a bare client's ACCEPT";
  rows.push_back(row("scale_launches_per_second", kTasks / own.launched_ms * 1e3, "1/s", kBare,
                     kTasks / least.all_at_once * 1e3));
  rows.push_back(row("scale_cpu_per_launch", own.launched_cpu / kTasks * 1e3, "us", kBare,
                     least.cpu / kTasks * 1e3));
  rows.push_back(row("scale_memory_100k_tasks", own.resident_mb, "MB"));
  rows.push_back(row("failover_subscribed", own.back_ms, "ms"));
  rows.push_back(row("failover_100k_tasks_confirmed", own.confirmed_ms, "ms"));
  rows.push_back(row("failover_cpu", own.confirmed_cpu, "ms"));
}

int run(const char* master, int count) {
  json::array rows;
  add_scale(rows);
  for (const char* matcher : {"first-match", "best-fit", "spread"}) {
    std::vector<double> cycles;
    for (int i = 0; i < 9; ++i) cycles.push_back(cycle(matcher, 10'000, 1'000));
    const std::string name = fmt::format("cycle_10k_agents_{}", matcher);
    rows.push_back(row(name.c_str(), median(cycles), "ms"));
  }
  const Result theirs = floor_of(master, count);
  const Result mine = ours(master, count);
  const double least = median(theirs.one_by_one);
  const double own = median(mine.one_by_one);
  rows.push_back(row("launch", own, "ms", "a bare client's ACCEPT", least));
  rows.push_back(row("launch_overhead", own - least, "ms"));
  const double all = count * 10.0;
  rows.push_back(row("launches_per_second", all / mine.all_at_once * 1e3, "1/s",
                     "a bare client's ACCEPT", all / theirs.all_at_once * 1e3));
  rows.push_back(row("launches_per_cpu_second", all / mine.cpu * 1e3, "1/s",
                     "a bare client's ACCEPT", all / theirs.cpu * 1e3));
  std::printf("%s\n", json::serialize(rows).c_str());
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return berth::bench::run(argv[1], std::atoi(argv[2]));
}
