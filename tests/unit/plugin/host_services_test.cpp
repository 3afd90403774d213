// SPDX-License-Identifier: Apache-2.0
// The host's services as a plugin written with the SDK sees them.
#include "plugin/host_services.hpp"

#include <atomic>
#include <condition_variable>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <thread>

#include "host_support.hpp"

namespace berth::plugin {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class HostServicesTest : public testing::Test, public StrayAnswers {
 protected:
  void late(CallKind, const berth_status*, const void*) noexcept override {}
  void again(CallKind, const berth_status*, const void*) noexcept override {}
  void unknown(berth_op) noexcept override {}

  ~HostServicesTest() override { end(); }
  void end() {
    if (ended_) return;
    ended_ = true;
    services_.stop();
    house_.stop();
  }

  struct Got {
    Status status;
    sdk::StateResult result;
  };
  // Asks the state service and waits for the answer.
  template <typename Ask>
  Got ask(Ask ask_it) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Got> got;
    ask_it([&](Status status, sdk::StateResult result) {
      const std::lock_guard lock(mutex);
      got.emplace(Got{std::move(status), std::move(result)});
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return got.has_value(); });
    return *got;
  }
  Got put(std::string_view key, std::string_view value, std::uint64_t version) {
    return ask([&](auto done) { host_.state().put(key, value, version, done); });
  }

  Metrics metrics_;
  MemoryPluginState state_;
  CallStats stats_{"te-st", metrics_, system_clock()};
  OperationTable table_{system_clock(), *this};
  HouseThread house_{"test"};
  HostServices services_{"te-st", table_, house_, stats_, metrics_, &state_};
  sdk::Host host_{services_.host()};
  bool ended_ = false;
};

TEST_F(HostServicesTest, OffersWhatItHas) {
  EXPECT_TRUE(services_.offers(BERTH_SERVICE_LOG));
  EXPECT_TRUE(services_.offers(BERTH_SERVICE_STATE));
  EXPECT_TRUE(services_.offers(BERTH_SERVICE_TIMER));
  EXPECT_TRUE(services_.offers(BERTH_SERVICE_METRICS));
  EXPECT_FALSE(services_.offers("berth.teleport/1"));
  HouseThread house("other");
  HostServices without(("other"), table_, house, stats_, metrics_, nullptr);
  EXPECT_FALSE(without.offers(BERTH_SERVICE_STATE));
  without.stop();
  house.stop();
}

TEST_F(HostServicesTest, LogLinesAreTaggedAndTheirLevelKept) {
  testing::internal::CaptureStderr();
  host_.log().warn("hello there", {{"container", "c 1"}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("plugin.te-st"), std::string::npos) << line;
  EXPECT_NE(line.find("hello there"), std::string::npos) << line;
  EXPECT_NE(line.find("container=\"c 1\""), std::string::npos) << line;
  EXPECT_NE(line.find("warn"), std::string::npos) << line;
  EXPECT_FALSE(host_.log().enabled(BERTH_LOG_DEBUG));
}

TEST_F(HostServicesTest, StateIsComparedAndSet) {
  EXPECT_EQ(ask([&](auto done) { host_.state().get("k", done); }).status.code(),
            StatusCode::kNotFound);
  const Got first = put("k", "one", 0);
  ASSERT_TRUE(first.status.ok());
  EXPECT_NE(first.result.version, 0u);
  EXPECT_EQ(put("k", "two", 0).status.code(), StatusCode::kAborted);
  const Got second = put("k", "two", first.result.version);
  ASSERT_TRUE(second.status.ok());
  EXPECT_GT(second.result.version, first.result.version);

  const Got read = ask([&](auto done) { host_.state().get("k", done); });
  ASSERT_EQ(read.result.entries.size(), 1u);
  EXPECT_EQ(read.result.entries[0].value, "two");
  EXPECT_EQ(read.result.entries[0].version, second.result.version);

  EXPECT_EQ(
      ask([&](auto done) { host_.state().remove("k", first.result.version, done); }).status.code(),
      StatusCode::kAborted);
  EXPECT_TRUE(ask([&](auto done) {
                host_.state().remove("k", sdk::State::kAnyVersion, done);
              }).status.ok());
  EXPECT_EQ(ask([&](auto done) {
              host_.state().remove("k", sdk::State::kAnyVersion, done);
            }).status.code(),
            StatusCode::kNotFound);
  // What was removed and made again is not taken for what it was.
  EXPECT_GT(put("k", "three", 0).result.version, second.result.version);
}

TEST_F(HostServicesTest, StateIsListedInPages) {
  for (const char* key : {"a/1", "a/2", "a/3", "b/1"}) ASSERT_TRUE(put(key, key, 0).status.ok());
  const Got page = ask([&](auto done) { host_.state().list("a/", "", 2, done); });
  ASSERT_EQ(page.result.entries.size(), 2u);
  EXPECT_EQ(page.result.entries[1].key, "a/2");
  const Got rest =
      ask([&](auto done) { host_.state().list("a/", page.result.next_cursor, 2, done); });
  ASSERT_EQ(rest.result.entries.size(), 1u);
  EXPECT_EQ(rest.result.entries[0].key, "a/3");
  EXPECT_TRUE(rest.result.next_cursor.empty());
}

TEST_F(HostServicesTest, StateOutOfBoundsIsRefused) {
  EXPECT_EQ(put("", "x", 0).status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(put(std::string(513, 'k'), "x", 0).status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(put(std::string(512, 'k'), "x", 0).status.ok());
  EXPECT_EQ(put("k", std::string((1 << 20) + 1, 'v'), 0).status.code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(put("k", std::string(1 << 20, 'v'), 0).status.ok());
  EXPECT_EQ(ask([&](auto done) { host_.state().list("", "", 0, done); }).status.code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(ask([&](auto done) { host_.state().list("", "", 1001, done); }).status.code(),
            StatusCode::kInvalidArgument);
}

TEST_F(HostServicesTest, StateAnswersAreNotGivenInsideTheCall) {
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id there;
  ask([&](auto done) {
    host_.state().get("", [&there, done](Status status, sdk::StateResult result) mutable {
      there = std::this_thread::get_id();
      done(std::move(status), std::move(result));
    });
  });
  EXPECT_NE(here, there);
}

TEST_F(HostServicesTest, TimersFireInTheirOrder) {
  std::mutex mutex;
  std::string order;
  const auto note = [&](char c) {
    return [&order, &mutex, c] {
      const std::lock_guard lock(mutex);
      order.push_back(c);
    };
  };
  const auto now = std::chrono::steady_clock::now();
  const sdk::Timer third = host_.timers().at(now + milliseconds(30), note('3'));
  const sdk::Timer first = host_.timers().at(now, note('1'));
  const sdk::Timer second = host_.timers().at(now + milliseconds(15), note('2'));
  const sdk::Timer never = host_.timers().after(hours(1000), note('x'));
  EXPECT_TRUE(test::eventually([&] {
    const std::lock_guard lock(mutex);
    return order == "123";
  }));
}

TEST_F(HostServicesTest, ACancelledTimerDoesNotFire) {
  std::atomic<int> fired{0};
  sdk::Timer timer = host_.timers().after(milliseconds(20), [&] { ++fired; });
  EXPECT_TRUE(timer.cancel());
  EXPECT_FALSE(timer.cancel());
  {
    const sdk::Timer dropped = host_.timers().after(milliseconds(20), [&] { ++fired; });
  }
  std::atomic<bool> passed{false};
  const sdk::Timer after = host_.timers().after(milliseconds(40), [&] { passed = true; });
  EXPECT_TRUE(test::eventually([&] { return passed.load(); }));
  EXPECT_EQ(fired, 0);
}

TEST_F(HostServicesTest, CancellingARunningTimerWaitsForIt) {
  std::atomic<bool> running{false};
  std::atomic<bool> ended{false};
  sdk::Timer timer = host_.timers().after(milliseconds(0), [&] {
    running = true;
    std::this_thread::sleep_for(milliseconds(30));
    ended = true;
  });
  ASSERT_TRUE(test::eventually([&] { return running.load(); }));
  EXPECT_FALSE(timer.cancel());
  EXPECT_TRUE(ended);
}

TEST_F(HostServicesTest, ATimerMayBeDroppedByItsOwnFunction) {
  std::mutex mutex;
  std::optional<sdk::Timer> timer;
  std::atomic<bool> dropped{false};
  {
    const std::lock_guard lock(mutex);
    timer = host_.timers().after(milliseconds(0), [&] {
      const std::lock_guard inner(mutex);
      timer.reset();
      dropped = true;
    });
  }
  EXPECT_TRUE(test::eventually([&] { return dropped.load(); }));
}

TEST_F(HostServicesTest, NoTimerStartsOnceTheHostStops) {
  std::atomic<int> fired{0};
  end();
  sdk::Timer timer = host_.timers().after(milliseconds(0), [&] { ++fired; });
  EXPECT_FALSE(timer.cancel());
  EXPECT_EQ(fired, 0);
}

TEST_F(HostServicesTest, MetricsAreExposedUnderThePluginsName) {
  host_.metrics().counter("pulls_total", "Pulls", {{"image", "a"}}).record(2);
  host_.metrics().counter("pulls_total", "Pulls", {{"image", "a"}}).record(3);
  host_.metrics().counter("pulls_total", "Pulls", {{"image", "a"}}).record(-1);
  host_.metrics().gauge("free_bytes", "Free").record(42);
  host_.metrics().histogram("pull_seconds", "Time").record(0.1);
  const std::string text = metrics_.text();
  EXPECT_NE(text.find("berth_plugin_te_st_pulls_total{image=\"a\"} 5"), std::string::npos) << text;
  EXPECT_NE(text.find("berth_plugin_te_st_free_bytes 42"), std::string::npos);
  EXPECT_NE(text.find("berth_plugin_te_st_pull_seconds_count 1"), std::string::npos);
}

TEST_F(HostServicesTest, BadAndTooManySeriesAreRefused) {
  EXPECT_FALSE(host_.metrics().counter("Bad-Name", ""));
  EXPECT_FALSE(host_.metrics().counter("", ""));
  EXPECT_FALSE(host_.metrics().counter("a_total", "", {{"9", "x"}}));
  ASSERT_TRUE(host_.metrics().counter("a_total", ""));
  EXPECT_FALSE(host_.metrics().gauge("a_total", "")) << "the name is a counter's";
  int made = 1;
  for (int i = 0; i < 1000; ++i) {
    if (host_.metrics().gauge("g", "", {{"n", std::to_string(i)}})) ++made;
  }
  EXPECT_EQ(made, 256);
  EXPECT_TRUE(host_.metrics().counter("a_total", "")) << "those that are there remain";
}

}  // namespace
}  // namespace berth::plugin
