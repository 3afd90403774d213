// SPDX-License-Identifier: Apache-2.0
#include "plugin/log_store_set.hpp"

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <gtest/gtest.h>
#include <mutex>

#include "host_support.hpp"
#include "plugin/one_shot.hpp"

namespace berth::plugin {
namespace {

using test::await;
using test::later;

class FakeStore final : public LogStore {
 public:
  Awaitable<void> start(SteadyTime) override {
    if (!start_status.ok()) co_return start_status;
    co_return Result<void>();
  }
  bool out_of_band() const override { return is_out_of_band; }
  Awaitable<Pairs> container_parameters(SteadyTime) override { co_return parameters; }
  Awaitable<void> append(ActivationRef activation, std::vector<LogLine> lines, bool,
                         SteadyTime) override {
    if (hold != nullptr) co_await hold->wait();
    if (!append_status.ok()) co_return append_status;
    const std::lock_guard lock(mutex);
    for (const LogLine& line : lines) kept[activation.activation_id] += line.text;
    co_return Result<void>();
  }
  Awaitable<LogPage> fetch(ActivationRef activation, std::string cursor, std::uint64_t,
                           SteadyTime deadline) override {
    last_deadline = deadline;
    last_cursor = cursor;
    if (!fetch_status.ok()) co_return fetch_status;
    const std::lock_guard lock(mutex);
    LogPage page;
    page.lines.push_back({Stream::kStdout, 0, 0, kept[activation.activation_id]});
    page.next_cursor = next_cursor;
    co_return page;
  }
  bool can_follow() const override { return follows; }
  Awaitable<LogPage> follow(ActivationRef activation, std::string cursor, std::uint64_t,
                            SteadyTime) override {
    last_cursor = cursor;
    LogPage page;
    page.lines.push_back({Stream::kStdout, 0, 0, "followed " + activation.activation_id});
    page.next_cursor = next_cursor;
    co_return page;
  }
  Awaitable<void> drain(SteadyTime) override {
    ++drained;
    co_return Result<void>();
  }
  Awaitable<void> stop(SteadyTime) override {
    ++stopped;
    co_return Result<void>();
  }
  std::string text(const std::string& activation) {
    const std::lock_guard lock(mutex);
    return kept[activation];
  }

  Status start_status, append_status, fetch_status;
  bool is_out_of_band = false;
  bool follows = false;
  Pairs parameters;
  std::string next_cursor, last_cursor;
  SteadyTime last_deadline{};
  OneShot* hold = nullptr;
  std::atomic<int> drained{0}, stopped{0};
  std::mutex mutex;
  std::map<std::string, std::string> kept;
};

class LogStoreSetTest : public testing::Test {
 protected:
  ~LogStoreSetTest() override { background_.join(); }

  Result<void> append(const std::string& id, const std::string& text) {
    ActivationRef activation;
    activation.activation_id = id;
    return await<void>(set_.append(activation, {{Stream::kStdout, 0, 0, text}}, true, later()));
  }
  Result<LogPage> fetch(const std::string& id, const std::string& cursor = "",
                        SteadyTime deadline = later()) {
    ActivationRef activation;
    activation.activation_id = id;
    return await<LogPage>(set_.fetch(activation, cursor, 100, deadline));
  }

  boost::asio::thread_pool background_{1};
  Metrics metrics_;
  FakeStore first_;
  FakeStore second_;
  LogStoreSet set_{{{"first", &first_}, {"second", &second_}},
                   background_.get_executor(),
                   metrics_,
                   system_clock()};
};

TEST_F(LogStoreSetTest, WritesToAllAndReadsFromTheFirst) {
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_EQ(first_.text("a"), "x");
  EXPECT_EQ(second_.text("a"), "x");
  EXPECT_EQ(first_.drained + second_.drained, 2);
  EXPECT_EQ(fetch("a")->lines[0].text, "x");
  EXPECT_TRUE(second_.last_deadline == SteadyTime()) << "the second was not asked";
}

TEST_F(LogStoreSetTest, OneThatFailsIsCountedAndTheAppendSucceeds) {
  first_.append_status = sdk::unavailable("down");
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_EQ(second_.text("a"), "x");
  EXPECT_NE(metrics_.text().find("berth_log_store_append_failures_total{store=\"first\"} 1"),
            std::string::npos);
  EXPECT_NE(metrics_.text().find("berth_log_store_append_failures_total{store=\"second\"} 0"),
            std::string::npos);
}

TEST_F(LogStoreSetTest, TheAppendFailsIfAllFail) {
  first_.append_status = sdk::unavailable("down");
  second_.append_status = sdk::resource_exhausted("full");
  const auto result = append("a", "x");
  ASSERT_FALSE(result);
}

TEST_F(LogStoreSetTest, OneThatHangsDelaysNobodyAndKeepsTheOrder) {
  OneShot hold;
  first_.hold = &hold;
  for (const char* part : {"1", "2", "3"}) ASSERT_TRUE(append("a", part));
  EXPECT_EQ(second_.text("a"), "123");
  EXPECT_EQ(first_.text("a"), "");
  EXPECT_EQ(await<void>(set_.drain(test::in(std::chrono::milliseconds(10)))).error().code(),
            StatusCode::kDeadlineExceeded);
  first_.hold = nullptr;
  hold.set();
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_EQ(first_.text("a"), "123");
}

TEST_F(LogStoreSetTest, WhatWaitsForOneThatHangsIsBounded) {
  OneShot hold;
  first_.hold = &hold;
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append("a", megabyte));
  EXPECT_EQ(second_.text("a").size(), 40u << 20);
  first_.hold = nullptr;
  hold.set();
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_LT(first_.text("a").size(), 33u << 20);
  EXPECT_GT(first_.text("a").size(), 20u << 20);
}

TEST_F(LogStoreSetTest, FetchGoesOnToTheNextAndStaysThere) {
  first_.fetch_status = sdk::not_found("nothing of it");
  second_.next_cursor = "more";
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.drain(later())));
  const auto page = fetch("a");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->lines[0].text, "x");
  first_.fetch_status = {};
  ASSERT_TRUE(fetch("a", page->next_cursor));
  EXPECT_EQ(second_.last_cursor, "more");
  EXPECT_EQ(first_.last_cursor, "");
}

TEST_F(LogStoreSetTest, TheFirstGetsOnlyItsShareOfTheTime) {
  first_.fetch_status = sdk::deadline_exceeded("hung");
  const SteadyTime deadline = test::in(std::chrono::hours(10));
  ASSERT_TRUE(fetch("a", "", deadline));
  EXPECT_LT(first_.last_deadline, deadline - std::chrono::hours(4));
  EXPECT_GT(second_.last_deadline, deadline - std::chrono::hours(1));
}

TEST_F(LogStoreSetTest, NotFoundOnlyIfAllSaySo) {
  first_.fetch_status = sdk::not_found("nothing");
  second_.fetch_status = sdk::not_found("nothing");
  EXPECT_EQ(fetch("a").error().code(), StatusCode::kNotFound);
  second_.fetch_status = sdk::unavailable("down");
  EXPECT_EQ(fetch("a").error().code(), StatusCode::kUnavailable);
  first_.fetch_status = sdk::unavailable("down");
  second_.fetch_status = sdk::not_found("nothing");
  EXPECT_EQ(fetch("a").error().code(), StatusCode::kUnavailable);
}

TEST_F(LogStoreSetTest, StrangeCursorsAreRefused) {
  for (const char* cursor : {"x", "1", "7:", ":", "-1:x"}) {
    EXPECT_EQ(fetch("a", cursor).error().code(), StatusCode::kInvalidArgument) << cursor;
  }
}

TEST_F(LogStoreSetTest, OneThatDoesNotStartIsLeftOut) {
  first_.start_status = sdk::unavailable("no disk");
  ASSERT_TRUE(await<void>(set_.start(later())));
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.stop(later())));
  EXPECT_EQ(first_.text("a"), "");
  EXPECT_EQ(first_.stopped, 0);
  EXPECT_EQ(second_.stopped, 1);
  EXPECT_EQ(fetch("a")->lines[0].text, "x");
}

TEST_F(LogStoreSetTest, OneAloneIsAskedDirectly) {
  LogStoreSet alone({{"first", &first_}}, background_.get_executor(), metrics_, system_clock());
  ActivationRef activation;
  activation.activation_id = "a";
  const std::vector<LogLine> lines = {{Stream::kStdout, 0, 0, "x"}};
  ASSERT_TRUE(await<void>(alone.append(activation, lines, true, later())));
  EXPECT_EQ(first_.text("a"), "x");
  first_.append_status = sdk::resource_exhausted("full");
  EXPECT_EQ(await<void>(alone.append(activation, lines, true, later())).error(),
            sdk::resource_exhausted("full"));
  EXPECT_NE(metrics_.text().find("berth_log_store_append_failures_total{store=\"first\"} 1"),
            std::string::npos);
}

TEST_F(LogStoreSetTest, StartFailsIfNoneStarts) {
  first_.start_status = sdk::unavailable("no disk");
  second_.start_status = sdk::unavailable("no net");
  EXPECT_EQ(await<void>(set_.start(later())).error(), sdk::unavailable("first: no disk"));
}

TEST_F(LogStoreSetTest, OutOfBandStoresGetNoAppendAndAllParametersAreJoined) {
  first_.is_out_of_band = true;
  first_.parameters = {{"log-driver", "splunk"}};
  second_.parameters = {{"log-opt", "x"}};
  EXPECT_FALSE(set_.out_of_band());
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_EQ(first_.text("a"), "");
  EXPECT_EQ(*await<Pairs>(set_.container_parameters(later())),
            (Pairs{{"log-driver", "splunk"}, {"log-opt", "x"}}));
  second_.is_out_of_band = true;
  EXPECT_TRUE(set_.out_of_band());
}

TEST_F(LogStoreSetTest, TwoStoresCannotBothChooseTheLogDriver) {
  first_.parameters = {{"log-driver", "splunk"}};
  second_.parameters = {{"log-driver", "gelf"}};
  const auto parameters = await<Pairs>(set_.container_parameters(later()));
  ASSERT_FALSE(parameters);
  EXPECT_EQ(parameters.error().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(parameters.error().message().find("'first' and 'second'"), std::string::npos);
}

TEST_F(LogStoreSetTest, TheFirstThatCanFollowsAndStaysTheOne) {
  ActivationRef activation;
  activation.activation_id = "a";
  EXPECT_FALSE(set_.can_follow());
  EXPECT_EQ(await<LogPage>(set_.follow(activation, "", 100, later())).error().code(),
            StatusCode::kUnimplemented);
  second_.follows = true;
  second_.next_cursor = "more";
  EXPECT_TRUE(set_.can_follow());
  const auto page = await<LogPage>(set_.follow(activation, "", 100, later()));
  ASSERT_TRUE(page);
  EXPECT_EQ(page->lines[0].text, "followed a");
  first_.follows = true;
  ASSERT_TRUE(await<LogPage>(set_.follow(activation, page->next_cursor, 100, later())));
  EXPECT_EQ(second_.last_cursor, "more");
  EXPECT_EQ(await<LogPage>(set_.follow(activation, "9:x", 100, later())).error().code(),
            StatusCode::kInvalidArgument);
}

// As the log driver beside the file store: where the logs are is said only if nobody has them.
TEST_F(LogStoreSetTest, AStoreThatIsNotReadFromHereIsPassedOver) {
  first_.fetch_status = sdk::unimplemented("they are elsewhere");
  ASSERT_TRUE(append("a", "x"));
  ASSERT_TRUE(await<void>(set_.drain(later())));
  EXPECT_EQ(fetch("a")->lines[0].text, "x");
  second_.fetch_status = sdk::not_found("nothing");
  EXPECT_EQ(fetch("a").error().code(), StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace berth::plugin
