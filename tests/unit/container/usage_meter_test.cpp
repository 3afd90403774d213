// SPDX-License-Identifier: Apache-2.0
#include "container/usage_meter.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <set>

#include "unit/container/fakes.hpp"

namespace berth::container {
namespace {

using namespace std::chrono_literals;

// Tells what a test says of each id; a held answer waits for let().
class TellingFactory final : public test::FakeFactory {
 public:
  using FakeFactory::FakeFactory;
  bool has_stats() const override { return tells; }
  plugin::Awaitable<plugin::ContainerStats> stats(std::string id, SteadyTime) override {
    asked.insert(id);
    most_at_once = std::max(most_at_once, ++at_once);
    co_await boost::asio::post(boost::asio::use_awaitable);
    --at_once;
    const auto found = used.find(id);
    if (found == used.end()) co_return sdk::not_found("it has ended");
    co_return found->second;
  }

  bool tells = true;
  std::map<std::string, plugin::ContainerStats> used;
  std::multiset<std::string> asked;
  std::size_t at_once = 0;
  std::size_t most_at_once = 0;
};

class UsageMeterTest : public testing::Test {
 protected:
  void make(UsageOptions options = {}) {
    meter = UsageMeter::make({io, clock, metrics, factory, [this] { return ids; }}, options);
  }
  ~UsageMeterTest() override {
    if (meter) meter->stop();
    test::settle(io);
  }
  void add(const std::string& id, std::int64_t memory, std::int64_t cpu_ns, std::int64_t pids) {
    if (factory.used.count(id) == 0) ids.push_back(id);
    factory.used[id] = {memory, 1 << 20, cpu_ns, pids};
  }

  boost::asio::io_context io;
  test::ShiftedClock clock;
  Metrics metrics;
  TellingFactory factory{io};
  std::vector<std::string> ids;
  std::shared_ptr<UsageMeter> meter;
};

TEST_F(UsageMeterTest, OneMeasurementServesAllWhoAsk) {
  for (int i = 0; i < 20; ++i) add("id-" + std::to_string(i), 100 + i, i, 2);
  ids.push_back("gone");
  make({.interval = 0ms, .parallel = 4});
  std::size_t told = 0;
  const auto check = [&](const UsageMeter::Usages& usages) {
    ++told;
    EXPECT_EQ(usages.size(), 20u) << "without the one that has ended";
    EXPECT_EQ(usages.at("id-7").memory_bytes, 107);
  };
  meter->measure(check);
  meter->measure(check);
  EXPECT_EQ(told, 0u);
  test::settle(io);
  EXPECT_EQ(told, 2u);
  EXPECT_EQ(factory.asked.size(), 21u);
  EXPECT_LE(factory.most_at_once, 4u);
  meter->measure(check);
  test::settle(io);
  EXPECT_EQ(told, 3u);
}

TEST_F(UsageMeterTest, AFactoryThatTellsNothingIsNotAsked) {
  factory.tells = false;
  ids = {"a"};
  make();
  meter->start();
  bool told = false;
  meter->measure([&](const UsageMeter::Usages& usages) {
    told = true;
    EXPECT_TRUE(usages.empty());
  });
  EXPECT_TRUE(told);
  EXPECT_TRUE(factory.asked.empty());
  EXPECT_EQ(metrics.text().find("berth_containers_"), std::string::npos);
}

TEST_F(UsageMeterTest, SumsOfAllAreInTheMetrics) {
  add("a", 1000, 2'000'000'000, 3);
  add("b", 500, 1'000'000'000, 1);
  make({.interval = 1ms});
  meter->start();
  const auto shows = [&](const std::string& line) {
    return metrics.text().find("\n" + line + "\n") != std::string::npos;
  };
  ASSERT_TRUE(test::run_until(io, [&] { return shows("berth_containers_cpu_seconds_total 3"); }));
  EXPECT_TRUE(shows("berth_containers_memory_used_bytes 1500"));
  EXPECT_TRUE(shows("berth_containers_processes 4"));
  // What was used since counts; one that cannot be told of for a while is not counted twice.
  factory.used.erase("b");
  factory.used["a"].cpu_ns = 5'000'000'000;
  ASSERT_TRUE(test::run_until(io, [&] { return shows("berth_containers_cpu_seconds_total 6"); }));
  factory.used["b"] = {500, -1, 1'500'000'000, -1};
  ASSERT_TRUE(test::run_until(io, [&] { return shows("berth_containers_cpu_seconds_total 6.5"); }));
  EXPECT_TRUE(shows("berth_containers_processes 3"));
}

}  // namespace
}  // namespace berth::container
