// SPDX-License-Identifier: Apache-2.0
// Parts that decide: which offer, which constraint, and what a task is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesos/config.hpp"
#include "mesos/tasks/task_builder.hpp"
#include "mesos/tasks/task_matcher.hpp"

namespace berth::mesos {
namespace {

using ::testing::HasSubstr;

// ---- offers and matching

struct OfferSpec {
  double cpus = 4, mem = 1024;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ports = {{31000, 31009}};
  std::map<std::string, std::string> attributes = {};
  std::string host = "h";
};

HeldOffer offer(const std::string& id, const OfferSpec& spec) {
  v1::Offer o;
  o.mutable_id()->set_value(id);
  o.mutable_agent_id()->set_value("S-" + id);
  o.set_hostname(spec.host);
  const auto scalar = [&](const char* name, double value) {
    v1::Resource& r = *o.add_resources();
    r.set_name(name);
    r.set_type(v1::Value::SCALAR);
    r.mutable_scalar()->set_value(value);
    r.mutable_allocation_info()->set_role("web");
    return &r;
  };
  scalar("cpus", spec.cpus);
  scalar("mem", spec.mem);
  v1::Resource& r = *o.add_resources();
  r.set_name("ports");
  r.set_type(v1::Value::RANGES);
  for (const auto& [begin, end] : spec.ports) {
    auto& range = *r.mutable_ranges()->add_range();
    range.set_begin(begin);
    range.set_end(end);
  }
  for (const auto& [name, value] : spec.attributes) {
    v1::Attribute& a = *o.add_attributes();
    a.set_name(name);
    a.set_type(v1::Value::TEXT);
    a.mutable_text()->set_value(value);
  }
  return HeldOffer(std::move(o), {});
}

Demand demand(double cpus, double mem, std::uint32_t ports = 1) {
  Demand d;
  d.cpus = to_thousandths(cpus);
  d.mem = to_thousandths(mem);
  d.ports = ports;
  return d;
}

std::shared_ptr<const std::vector<Constraint>> constraints(
    const std::vector<std::vector<std::string>>& all) {
  auto parsed = std::make_shared<std::vector<Constraint>>();
  for (const auto& words : all) {
    Constraint c;
    EXPECT_TRUE(Constraint::parse(words, c).ok());
    parsed->push_back(c);
  }
  return parsed;
}

// Which offer each demand went to; -1: none.
std::vector<int> match(const char* matcher, const std::vector<Demand>& demands,
                       std::vector<HeldOffer>& offers, GroupTable* groups = nullptr) {
  GroupTable own;
  GroupTable& table = groups != nullptr ? *groups : own;
  std::vector<const Demand*> pending;
  for (const Demand& d : demands) pending.push_back(&d);
  std::vector<HeldOffer*> pointers;
  for (HeldOffer& o : offers) pointers.push_back(&o);
  std::vector<int> placed(demands.size(), -1);
  make_matcher(matcher)->match(pending, pointers, table, [&](std::size_t task, std::size_t where) {
    EXPECT_EQ(placed[task], -1) << "twice";
    EXPECT_TRUE(offers[where].fits(demands[task]));
    v1::TaskInfo info;
    std::vector<std::uint32_t> ports;
    offers[where].take(demands[task], info, ports);
    EXPECT_EQ(ports.size(), demands[task].ports);
    table.add(demands[task].group, offers[where].attributes());
    placed[task] = static_cast<int>(where);
  });
  return placed;
}

TEST(HeldOffer, AGroupsExecutorHasItsShare) {
  v1::Offer offer;
  for (const auto& [name, amount] : {std::pair{"cpus", 0.3}, std::pair{"mem", 100.0}}) {
    v1::Resource& r = *offer.add_resources();
    r.set_name(name);
    r.set_type(v1::Value::SCALAR);
    r.mutable_scalar()->set_value(amount);
  }
  HeldOffer held(offer, {});
  Demand demand;
  demand.cpus = 250;
  demand.mem = 64'000;
  EXPECT_TRUE(held.fits(demand));
  demand.executor = true;
  EXPECT_FALSE(held.fits(demand)) << "0.35 cpus";
  EXPECT_EQ(demand.text(), "0.35 cpus, 96 MB");
  demand.cpus = 200;
  ASSERT_TRUE(held.fits(demand));
  v1::TaskInfo task;
  v1::ExecutorInfo executor;
  std::vector<std::uint32_t> ports;
  held.take(demand, task, ports);
  held.take(executor);
  ASSERT_EQ(executor.resources_size(), 2);
  EXPECT_EQ(executor.resources(0).scalar().value(), 0.1);
  EXPECT_EQ(executor.resources(1).scalar().value(), 32);
  EXPECT_EQ(held.cpus(), 0);
  EXPECT_EQ(held.mem(), 4'000);
}

TEST(HeldOffer, SumsResourcesOfOneNameAndTakesReservedOnesFirst) {
  v1::Offer o;
  const auto add = [&](double cpus, const char* role) {
    v1::Resource& r = *o.add_resources();
    r.set_name("cpus");
    r.set_type(v1::Value::SCALAR);
    r.mutable_scalar()->set_value(cpus);
    r.mutable_allocation_info()->set_role("web");
    if (role != nullptr) r.add_reservations()->set_role(role);
  };
  add(1.5, nullptr);
  add(0.3, "web");
  v1::Resource& revocable = *o.add_resources();
  revocable.set_name("cpus");
  revocable.mutable_scalar()->set_value(7);
  revocable.mutable_revocable();
  HeldOffer held(std::move(o), {});
  EXPECT_EQ(held.cpus(), 1800) << "what can be taken away again does not count";
  v1::TaskInfo task;
  std::vector<std::uint32_t> ports;
  held.take(demand(0.5, 0, 0), task, ports);
  ASSERT_EQ(task.resources_size(), 2);
  EXPECT_EQ(task.resources(0).reservations(0).role(), "web");
  EXPECT_DOUBLE_EQ(task.resources(0).scalar().value(), 0.3);
  EXPECT_DOUBLE_EQ(task.resources(1).scalar().value(), 0.2);
  EXPECT_EQ(task.resources(1).allocation_info().role(), "web");
  EXPECT_EQ(held.cpus(), 1300);
}

TEST(HeldOffer, TakesPortsOutOfRanges) {
  HeldOffer held = offer("a", {4, 1024, {{31000, 31000}, {32000, 32001}}, {}, "h"});
  EXPECT_EQ(held.ports(), 3u);
  v1::TaskInfo task;
  std::vector<std::uint32_t> ports;
  held.take(demand(0.1, 10, 2), task, ports);
  EXPECT_EQ(ports, (std::vector<std::uint32_t>{31000, 32000}));
  held.take(demand(0.1, 10, 1), task, ports);
  EXPECT_EQ(ports.back(), 32001u);
  EXPECT_FALSE(held.fits(demand(0.1, 10, 1)));
  EXPECT_TRUE(held.fits(demand(0.1, 10, 0)));
}

TEST(TaskMatcher, PlacesByItsPreference) {
  const std::vector<OfferSpec> specs = {{4, 1024}, {4, 512}, {4, 2048}};
  const auto offers = [&] {
    std::vector<HeldOffer> made;
    for (std::size_t i = 0; i < specs.size(); ++i)
      made.push_back(offer(std::to_string(i), specs[i]));
    return made;
  };
  const std::vector<Demand> two(2, demand(0.5, 256));
  auto o = offers();
  EXPECT_EQ(match("first-match", two, o), (std::vector<int>{0, 0}));
  o = offers();
  EXPECT_EQ(match("best-fit", two, o), (std::vector<int>{1, 1}));
  o = offers();
  EXPECT_EQ(match("spread", two, o), (std::vector<int>{2, 2})) << "2048 - 256 is still the most";
  o = offers();
  EXPECT_EQ(match("spread", std::vector<Demand>(7, demand(0.1, 256)), o),
            (std::vector<int>{2, 2, 2, 2, 0, 2, 0}));
}

TEST(TaskMatcher, ABigTaskBlocksNoSmallOne) {
  std::vector<HeldOffer> offers = {offer("0", {1, 512})};
  EXPECT_EQ(match("first-match",
                  {demand(0.1, 4096), demand(0.1, 128), demand(8, 1), demand(0.1, 128)}, offers),
            (std::vector<int>{-1, 0, -1, 0}));
}

TEST(TaskMatcher, FillsAnOfferToTheLastThousandth) {
  std::vector<HeldOffer> offers = {offer("0", {0.3, 96})};
  EXPECT_EQ(match("first-match", std::vector<Demand>(4, demand(0.1, 32)), offers),
            (std::vector<int>{0, 0, 0, -1}));
}

TEST(TaskMatcher, KeepsConstraints) {
  const auto three = [] {
    std::vector<HeldOffer> made;
    for (int i = 0; i < 3; ++i) {
      made.push_back(offer(std::to_string(i), {4,
                                               1024,
                                               {{31000, 31009}},
                                               {{"rack", "r" + std::to_string(i)}},
                                               "host" + std::to_string(i)}));
    }
    return made;
  };
  const auto tasks = [](std::size_t n, const std::vector<std::vector<std::string>>& words) {
    Demand d = demand(0.1, 32);
    d.constraints = constraints(words);
    d.group = "g";
    return std::vector<Demand>(n, d);
  };
  auto o = three();
  EXPECT_EQ(match("first-match", tasks(1, {{"rack", "LIKE", "r[12]"}}), o), (std::vector<int>{1}));
  o = three();
  EXPECT_EQ(match("first-match", tasks(1, {{"rack", "UNLIKE", "r[01]"}}), o),
            (std::vector<int>{2}));
  o = three();
  EXPECT_EQ(match("first-match", tasks(1, {{"zone", "UNLIKE", "x"}}), o), (std::vector<int>{-1}))
      << "who lacks the attribute satisfies nothing";
  o = three();
  EXPECT_EQ(match("first-match", tasks(1, {{"rack", "LIKE", "r"}}), o), (std::vector<int>{-1}))
      << "the whole value must match";
  o = three();
  EXPECT_EQ(match("first-match", tasks(4, {{"hostname", "UNIQUE"}}), o),
            (std::vector<int>{0, 1, 2, -1}));
  o = three();
  EXPECT_EQ(match("spread", tasks(3, {{"rack", "CLUSTER", "r1"}}), o), (std::vector<int>{1, 1, 1}));
  o = three();
  EXPECT_EQ(match("spread", tasks(3, {{"rack", "CLUSTER"}}), o), (std::vector<int>{0, 0, 0}));
  o = three();
  EXPECT_EQ(match("first-match", tasks(6, {{"rack", "GROUP_BY", "3"}}), o),
            (std::vector<int>{0, 1, 2, 0, 1, 2}));
}

TEST(Constraint, RefusesWhatMakesNoSense) {
  Constraint c;
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"rack"},
                                             {"rack", "NEAR", "x"},
                                             {"rack", "LIKE"},
                                             {"rack", "LIKE", "("},
                                             {"rack", "UNIQUE", "x"},
                                             {"rack", "GROUP_BY", "x"},
                                             {"a", "LIKE", "b", "c"}}) {
    EXPECT_EQ(Constraint::parse(words, c).code(), sdk::StatusCode::kInvalidArgument);
  }
}

TEST(TaskMatcher, SaysWhyALaunchWaits) {
  GroupTable groups;
  const auto why = [&](const Demand& d, std::vector<HeldOffer> offers) {
    std::vector<HeldOffer*> pointers;
    for (HeldOffer& o : offers) pointers.push_back(&o);
    return why_waiting(d, pointers, groups);
  };
  EXPECT_EQ(why(demand(0.25, 256), {}), "needs 0.25 cpus, 256 MB, 1 port: no offers");
  EXPECT_EQ(why(demand(0.25, 256),
                {offer("0", {0.1, 1024}), offer("1", {0.1, 128}), offer("2", {0.05, 16})}),
            "needs 0.25 cpus, 256 MB, 1 port: 3 offers, the best with 0.1 cpus");
  Demand picky = demand(0.25, 256);
  picky.constraints = constraints({{"rack", "LIKE", "r9"}});
  EXPECT_EQ(why(picky, {offer("0", {})}),
            "needs 0.25 cpus, 256 MB, 1 port: 1 offer, forbidden by the constraint rack LIKE r9");
}

// ---- settings and tasks

sdk::CreateRequest request() {
  sdk::CreateRequest r;
  r.name = "berth-test-1";
  r.image = "berth/action-python";
  r.memory_bytes = 256u << 20;
  r.cpu_shares = 256;
  r.environment = {{"__OW_API_HOST", "http://x"}};
  r.labels = {{"action", "guest/hello"}};
  r.log_parameters = {{"log-driver", "splunk"}, {"log-opt", "tag=x"}, {"log-opt", "env=y"}};
  return r;
}

TaskSpec build(const std::string& more, v1::TaskInfo& placed, sdk::CreateRequest r = request()) {
  Config config;
  const sdk::Status s = Config::parse(R"({"masters":"http://m:5050")" + more + "}", "test", config);
  EXPECT_TRUE(s.ok()) << s.to_string();
  TaskSpec spec = make_task_builder(config.tasks)->build(r);
  placed = spec.info;
  spec.set_ports({31005}, placed);
  return spec;
}

TEST(TaskBuilder, BuildsDockerTasks) {
  v1::TaskInfo info;
  const TaskSpec spec = build(R"(,"dns":["10.0.0.1"],"parameters":{"--cap-drop":["NET_RAW"]},)"
                              R"("environment":{"A":"1"},"labels":{"team":"x"},"disk":10)",
                              info);
  EXPECT_EQ(spec.demand.text(), "0.25 cpus, 256 MB, 10 MB of disk, 1 port");
  const auto& docker = info.container().docker();
  EXPECT_EQ(docker.image(), "berth/action-python");
  EXPECT_EQ(docker.network(), v1::ContainerInfo::DockerInfo::BRIDGE);
  EXPECT_FALSE(docker.force_pull_image());
  ASSERT_EQ(docker.port_mappings_size(), 1);
  EXPECT_EQ(docker.port_mappings(0).host_port(), 31005u);
  EXPECT_EQ(docker.port_mappings(0).container_port(), 8080u);
  std::string parameters;
  for (const auto& p : docker.parameters()) parameters += p.key() + "=" + p.value() + ";";
  EXPECT_EQ(parameters,
            "cap-drop=NET_RAW;dns=10.0.0.1;log-driver=splunk;log-opt=tag=x;log-opt=env=y;");
  EXPECT_FALSE(info.command().shell());
  EXPECT_FALSE(info.command().has_value());
  EXPECT_EQ(info.command().environment().variables_size(), 2);
  std::string labels;
  for (const auto& l : info.labels().labels()) labels += l.key() + "=" + l.value() + ";";
  EXPECT_EQ(labels, "team=x;action=guest/hello;berth.name=berth-test-1;");
}

TEST(TaskBuilder, PutsTheProxyOnAPortOfTheHost) {
  v1::TaskInfo info;
  build(R"(,"network":"host","health_check":{"type":"http","path":"/x","interval":2})", info);
  EXPECT_EQ(info.container().docker().port_mappings_size(), 0) << "Mesos refuses them with HOST";
  const auto& variables = info.command().environment().variables();
  EXPECT_EQ(variables.rbegin()->name() + "=" + variables.rbegin()->value(), "BERTH_PORT=31005");
  EXPECT_EQ(info.health_check().http().port(), 31005u);
  EXPECT_EQ(info.health_check().interval_seconds(), 2);
  build(R"(,"health_check":{"type":"tcp"})", info);
  EXPECT_EQ(info.health_check().tcp().port(), 8080u) << "of the container";
}

TEST(TaskBuilder, BuildsOnOtherNetworksAndContainerizers) {
  v1::TaskInfo info;
  TaskSpec spec = build(R"(,"network":"functions")", info);
  EXPECT_EQ(spec.demand.ports, 0u);
  EXPECT_EQ(info.container().docker().network(), v1::ContainerInfo::DockerInfo::USER);
  EXPECT_EQ(info.container().network_infos(0).name(), "functions");
  sdk::CreateRequest theirs = request();
  theirs.user_provided_image = true;
  spec = build(R"(,"containerizer":"mesos","force_pull":"user")", info, theirs);
  EXPECT_EQ(info.container().type(), v1::ContainerInfo::MESOS);
  EXPECT_EQ(info.container().mesos().image().docker().name(), "berth/action-python");
  EXPECT_FALSE(info.container().mesos().image().cached());
  EXPECT_EQ(spec.demand.ports, 1u);
}

TEST(Config, RefusesWhatMakesNoSense) {
  for (const char* text :
       {"{}", R"({"masters":[]})", R"({"masters":"m:5050"})", R"({"masters":"zk://"})",
        R"({"masters":["zk://a/m","http://b"]})", R"({"masters":"http://m","roles":[]})",
        R"({"masters":"http://m","offer_hold":"soon"})",
        R"({"masters":"http://m","matcher":"best"})",
        R"({"masters":"http://m","containerizer":"mesos","network":"bridge"})",
        R"({"masters":"http://m","constraints":[["rack","NEAR","x"]]})",
        R"({"masters":"http://m","docker_config":"/does/not/exist"})"}) {
    Config config;
    EXPECT_EQ(Config::parse(text, "test", config).code(), sdk::StatusCode::kInvalidArgument)
        << text;
  }
  Config config;
  ASSERT_TRUE(Config::parse(R"({"masters":"zk://u:p@a:2181,b:2181/mesos","failover_timeout":"2h"})",
                            "i", config)
                  .ok());
  EXPECT_EQ(config.scheduler.failover_timeout.count(), 7200);
  EXPECT_EQ(config.scheduler.framework_name, "berth-i");
}

}  // namespace
}  // namespace berth::mesos
