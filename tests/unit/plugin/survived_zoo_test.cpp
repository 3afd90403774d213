// SPDX-License-Identifier: Apache-2.0
// What a plugin does wrong after it was loaded is survived: the call in question has one outcome,
// the misbehaviour is counted against the plugin, and the next call works.
#include <gtest/gtest.h>
#include <thread>

#include "host_support.hpp"
#include "plugin/examine.hpp"

namespace berth::plugin {
namespace {

using std::chrono::milliseconds;
using test::await;
using test::later;

class SurvivedZoo : public testing::Test {
 protected:
  void load() {
    std::filesystem::copy_file(BERTH_ZOO_SURVIVED "/libberth_survived.so",
                               hosting_.directory.path() / "libberth_survived.so",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(hosting_.directory.path() / "libberth_survived.so",
                                 std::filesystem::perms(0644));
    auto loaded = LoadedPlugin::load(examine(hosting_.directory.path() / "libberth_survived.so"));
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    loaded_ = std::move(*loaded);
  }
  Status open_with(const std::string& misbehave) {
    load();
    if (loaded_ == nullptr) return sdk::internal("not loaded");
    auto opened =
        PluginInstance::open(*loaded_, hosting_.options(R"({"misbehave":")" + misbehave + R"("})"));
    if (!opened) return opened.error();
    instance_ = std::move(*opened);
    factory_ = instance_->container_factory();
    return await<void>(factory_->start({}, later())) ? Status() : sdk::internal("start failed");
  }
  Result<ContainerInfo> create(const std::string& kind, SteadyTime deadline = later()) {
    CreateRequest request;
    request.name = kind;
    request.kind = kind;
    return await<ContainerInfo>(factory_->create(request, deadline));
  }
  std::string told() { return await<Capacity>(factory_->capacity(later())).value().detail; }
  std::string counted(const std::string& metric, const std::string& call, int count) {
    const std::string line =
        metric + "{call=\"" + call + "\",plugin=\"survived\"} " + std::to_string(count) + "\n";
    return hosting_.exposes(line) ? "" : line + "not in\n" + hosting_.metrics.text();
  }
  void expect_alive() { EXPECT_TRUE(create("good")); }

  test::Hosting hosting_;
  std::unique_ptr<LoadedPlugin> loaded_;  // outlives the instance
  std::unique_ptr<PluginInstance> instance_;
  ContainerFactory* factory_ = nullptr;
};

TEST_F(SurvivedZoo, FailsToOpenAndSaysWhy) {
  const Status status = open_with("open-fails");
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.message(),
            "the plugin 'survived' failed to open: the engine at /run/engine.sock is not there");
}

TEST_F(SurvivedZoo, FailsToOpenWithoutAWord) {
  const Status status = open_with("open-fails-silently");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "the plugin 'survived' failed to open: it gave no reason");
}

TEST_F(SurvivedZoo, ThrowsInOpen) {
  const Status status = open_with("open-throws");
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("exception cross the boundary: no cage"), std::string::npos);
}

TEST_F(SurvivedZoo, OpensWithoutAnInstance) {
  EXPECT_EQ(open_with("open-without-instance").code(), StatusCode::kInternal);
}

TEST_F(SurvivedZoo, DoesNotProvideWhatItsNoteSays) {
  const Status status = open_with("query-null");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("provides 'berth.container-factory/1' but does not"),
            std::string::npos);
}

TEST_F(SurvivedZoo, HasABrokenTable) {
  EXPECT_NE(open_with("short-table").message().find("too short"), std::string::npos);
  EXPECT_NE(open_with("table-with-holes").message().find("is null"), std::string::npos);
}

TEST_F(SurvivedZoo, HasABrokenOptionalTable) {
  EXPECT_NE(open_with("no-resize").message().find("has no resize"), std::string::npos);
  EXPECT_NE(open_with("short-stats").message().find("has no stats"), std::string::npos);
}

TEST_F(SurvivedZoo, MisbehavesInItsOptionalInterfaces) {
  ASSERT_TRUE(open_with("").ok());
  const auto resize = [&](const char* id, SteadyTime deadline = later()) {
    return await<void>(factory_->resize(id, {1 << 20, 2, 0}, deadline));
  };
  const auto stats = [&](const char* id) {
    return await<ContainerStats>(factory_->stats(id, later()));
  };
  EXPECT_EQ(resize("throws").error().code(), StatusCode::kInternal);
  EXPECT_TRUE(resize("twice"));
  EXPECT_EQ(counted("berth_plugin_repeated_answers_total", "resize", 1), "");
  EXPECT_EQ(resize("never", test::in(milliseconds(400))).error().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(stats("throws").error().code(), StatusCode::kInternal);
  EXPECT_EQ(stats("no-result").error().code(), StatusCode::kInternal);
  EXPECT_EQ(stats("short-result").error().code(), StatusCode::kInternal);
  // Below zero nothing is known, however far.
  const auto odd = stats("odd");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->memory_bytes, -1);
  EXPECT_EQ(odd->memory_limit_bytes, INT64_MAX);
  EXPECT_EQ(odd->cpu_ns, -1);
  EXPECT_EQ(odd->pids, 0);
  expect_alive();
}

TEST_F(SurvivedZoo, ThrowsInCreate) {
  ASSERT_TRUE(open_with("").ok());
  const auto thrown = create("throws");
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code(), StatusCode::kInternal);
  EXPECT_NE(thrown.error().message().find("a bear escaped"), std::string::npos);
  EXPECT_EQ(create("throws-int").error().code(), StatusCode::kInternal);
  EXPECT_EQ(counted("berth_plugin_exceptions_total", "create", 2), "");
  expect_alive();
}

TEST_F(SurvivedZoo, AnswersAndThenThrows) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_TRUE(create("answers-and-throws"));
  expect_alive();
}

TEST_F(SurvivedZoo, AnswersTwice) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_TRUE(create("twice"));
  EXPECT_EQ(counted("berth_plugin_repeated_answers_total", "create", 1), "");
  expect_alive();
}

TEST_F(SurvivedZoo, AnswersAnIdItMadeUp) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_TRUE(create("forged"));
  expect_alive();
}

TEST_F(SurvivedZoo, AnswersWithoutAWellFormedResult) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_EQ(create("no-result").error().code(), StatusCode::kInternal);
  EXPECT_EQ(create("short-result").error().code(), StatusCode::kInternal);
  EXPECT_EQ(create("odd-code").error().code(), StatusCode::kUnknown);
  expect_alive();
}

TEST_F(SurvivedZoo, NeverAnswers) {
  ASSERT_TRUE(open_with("").ok());
  const auto created = create("never", test::in(milliseconds(400)));
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), StatusCode::kDeadlineExceeded);
  // It is told that nobody waits any more, and ignores that.
  EXPECT_TRUE(test::eventually([&] { return told().find("cancelled:1") != std::string::npos; }));
  expect_alive();
}

TEST_F(SurvivedZoo, ALateSuccessOfCreateIsDestroyed) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_EQ(create("late", test::in(milliseconds(400))).error().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(await<void>(factory_->destroy("release late", later())));
  EXPECT_TRUE(test::eventually([&] { return told().find("destroyed:late") != std::string::npos; }))
      << told();
  EXPECT_EQ(counted("berth_plugin_late_answers_total", "create", 1), "");
  expect_alive();
}

TEST_F(SurvivedZoo, BlocksInACallAndOnlyItsCallerWaits) {
  ASSERT_TRUE(open_with("").ok());
  std::thread blocked([&] { EXPECT_TRUE(create("blocks")); });
  expect_alive();
  blocked.join();
  EXPECT_EQ(counted("berth_plugin_blocked_calls_total", "create", 1), "");
}

TEST_F(SurvivedZoo, BlocksPastItsDeadlineAndIsToldOfAtOnce) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_EQ(create("blocks-long", test::in(milliseconds(600))).error().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(counted("berth_plugin_blocked_calls_total", "create", 1), "") << "and only once";
}

TEST_F(SurvivedZoo, AnswersFromAnotherThread) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_TRUE(create("thread"));
}

TEST_F(SurvivedZoo, ListsInCircles) {
  ASSERT_TRUE(open_with("").ok());
  EXPECT_EQ(await<std::vector<ContainerInfo>>(factory_->list(later())).error().code(),
            StatusCode::kInternal);
}

TEST_F(SurvivedZoo, NeverEndsALongPoll) {
  ASSERT_TRUE(open_with("").ok());
  const auto batch =
      await<LogBatch>(factory_->read_logs("x", "cursor", 1000, test::in(milliseconds(20))));
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->records.empty());
  EXPECT_EQ(batch->next_cursor, "cursor");
}

TEST_F(SurvivedZoo, LeavesCallsOpenWhenItIsClosed) {
  ASSERT_TRUE(open_with("").ok());
  boost::asio::io_context io;
  std::optional<Result<ContainerInfo>> outcome;
  CreateRequest request;
  request.kind = "never";
  request.name = "never";
  boost::asio::co_spawn(io, factory_->create(request, later()),
                        [&](const std::exception_ptr&, Result<ContainerInfo> result) {
                          outcome.emplace(std::move(result));
                        });
  io.poll();
  instance_.reset();
  loaded_.reset();
  // The coroutine goes on after everything of the plugin is gone.
  io.run();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace berth::plugin
