// SPDX-License-Identifier: Apache-2.0
// The SDK by itself: what a Promise answers, against a host that only writes down.
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "berth/sdk/plugin.hpp"
#include "host_support.hpp"

namespace berth::plugin {
namespace {

struct Answer {
  std::uint64_t op;
  Status status;
  bool has_result;
};

struct WritingHost {
  std::vector<Answer> answers;
  std::string error;
  berth_host host{sizeof(berth_host), 1, 0, 0, this, &complete, &query, &set_error};

  static void complete(void* context, berth_op op, const berth_status* status, const void* result) {
    static_cast<WritingHost*>(context)->answers.push_back(
        {op.id, sdk::detail::status_from(status), result != nullptr});
  }
  static const void* query(void*, berth_str) { return nullptr; }
  static void set_error(void* context, berth_str message) {
    static_cast<WritingHost*>(context)->error = sdk::view(message);
  }
};

class SdkTest : public testing::Test {
 protected:
  sdk::Promise<void> promise(std::uint64_t id = 7) { return {&host_.host, berth_op{id}, 0}; }
  const std::vector<Answer>& answers() const { return host_.answers; }

  WritingHost host_;
};

TEST_F(SdkTest, APromiseAnswersOnce) {
  auto done = promise();
  EXPECT_TRUE(done.pending());
  EXPECT_EQ(done.id(), 7u);
  done.ok();
  done.ok();
  done.fail(sdk::internal("too late"));
  EXPECT_FALSE(done.pending());
  ASSERT_EQ(answers().size(), 1u);
  EXPECT_TRUE(answers()[0].status.ok());
}

TEST_F(SdkTest, ADroppedPromiseIsAnsweredWithInternal) {
  { auto done = promise(); }
  ASSERT_EQ(answers().size(), 1u);
  EXPECT_EQ(answers()[0].status.code(), StatusCode::kInternal);
  EXPECT_NE(answers()[0].status.message().find("dropped"), std::string::npos);
}

TEST_F(SdkTest, AMovedPromiseIsAnsweredByItsNewOwner) {
  auto first = promise(1);
  auto second = std::move(first);
  first.ok();  // NOLINT(bugprone-use-after-move): has no effect
  EXPECT_TRUE(answers().empty());
  second = promise(2);  // the operation it had is dropped
  ASSERT_EQ(answers().size(), 1u);
  EXPECT_EQ(answers()[0].op, 1u);
  second.ok();
  EXPECT_EQ(answers()[1].op, 2u);
}

TEST_F(SdkTest, FailingWithOkIsABug) {
  promise().fail(Status());
  EXPECT_EQ(answers()[0].status.code(), StatusCode::kInternal);
}

TEST_F(SdkTest, StatusAndPartialResultsCross) {
  promise().fail(Status(StatusCode::kNotFound, "no image 'x'", sdk::kUserError));
  EXPECT_EQ(answers()[0].status, Status(StatusCode::kNotFound, "no image 'x'", sdk::kUserError));
  sdk::Promise<sdk::LogPage>(&host_.host, berth_op{8}, 0).partial(sdk::LogPage());
  EXPECT_TRUE(answers()[1].status.ok());
  EXPECT_TRUE(answers()[1].status.partial());
  EXPECT_TRUE(answers()[1].has_result);
}

TEST_F(SdkTest, DeadlinesAreTimesOfTheSteadyClock) {
  EXPECT_EQ(promise().deadline(), SteadyTime::max());
  const SteadyTime when = test::later();
  const sdk::Promise<void> timed(&host_.host, berth_op{1}, monotonic_ns(when));
  EXPECT_EQ(timed.deadline(), when);
}

// One override for each way to leave it.
class Leaver final : public sdk::LogStore {
 public:
  void start(sdk::Promise<void> done) override {
    static_cast<void>(done);
    throw sdk::Error(sdk::unavailable("no splunk"));
  }
  void append(const sdk::ActivationRefView&, sdk::LogLinesView, bool,
              sdk::Promise<void> done) override {
    done.ok();
    throw std::runtime_error("after the answer");
  }
  void fetch(const sdk::ActivationRefView&, std::string_view, std::uint64_t,
             sdk::Promise<sdk::LogPage> done) override {
    kept.push_back(std::move(done));
    throw std::runtime_error("although it kept the promise");
  }
  void drain(sdk::Promise<void> done) override { static_cast<void>(done); }
  void stop(sdk::Promise<void>) override { throw 7; }
  std::vector<sdk::Promise<sdk::LogPage>> kept;
};

TEST_F(SdkTest, ExceptionsBecomeStatusesAtTheCall) {
  const berth_open_args args{sizeof(berth_open_args), 0, &host_.host, {}, {}, {}, {}};
  void* self = nullptr;
  ASSERT_EQ(sdk::detail::open<Leaver>(&args, &self), BERTH_OK);
  const auto* table = static_cast<const berth_log_store*>(
      sdk::detail::query(self, sdk::str(BERTH_INTERFACE_LOG_STORE)));
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(sdk::detail::query(self, sdk::str(BERTH_INTERFACE_CONTAINER_FACTORY)), nullptr);

  table->start(self, {1}, 0);
  EXPECT_EQ(answers().back().status, sdk::unavailable("no splunk"));
  table->stop(self, {2}, 0);
  EXPECT_EQ(answers().back().status.code(), StatusCode::kInternal);
  table->drain(self, {3}, 0);
  EXPECT_EQ(answers().back().status.code(), StatusCode::kInternal);
  EXPECT_NE(answers().back().status.message().find("dropped"), std::string::npos);

  const berth_activation_ref activation{sizeof(activation), 0, {}, {}, {}, {}, {}, 0, 0};
  table->append(self, {4}, 0, &activation, nullptr, 0, 1);
  EXPECT_EQ(answers().size(), 4u);
  EXPECT_TRUE(answers().back().status.ok());

  table->fetch(self, {5}, 0, &activation, {}, 1);
  EXPECT_EQ(answers().size(), 4u) << "the promise that was kept is still to be answered";
  sdk::detail::close(self);
  ASSERT_EQ(answers().size(), 5u);
  EXPECT_EQ(answers().back().op, 5u);
  EXPECT_EQ(answers().back().status.code(), StatusCode::kInternal);
}

// A factory that offers all there is, without a Plugin of its own.
struct Resizer final : sdk::ContainerFactory, sdk::Resize, sdk::Stats {
  void create(const sdk::CreateRequestView&, sdk::Promise<sdk::ContainerInfo>) override {}
  void destroy(std::string_view, sdk::Promise<void>) override {}
  void list(std::string_view, std::uint32_t, sdk::Promise<sdk::ContainerList>) override {}
  void read_logs(std::string_view, std::string_view, std::uint64_t,
                 sdk::Promise<sdk::LogBatch>) override {}
  void stop(sdk::StopMode, sdk::Promise<void>) override {}
  void resize(std::string_view, const sdk::ResizeRequest& request,
              sdk::Promise<void> done) override {
    request.memory_bytes == 0 ? throw std::runtime_error("nothing is no size") : done.ok();
  }
  void stats(std::string_view, sdk::Promise<sdk::ContainerStats> done) override { done.ok({}); }
};

TEST_F(SdkTest, OptionalInterfacesAreFoundWhereTheClassHasThem) {
  const berth_open_args args{sizeof(berth_open_args), 0, &host_.host, {}, {}, {}, {}};
  void* self = nullptr;
  ASSERT_EQ(sdk::detail::open<Resizer>(&args, &self), BERTH_OK);
  const auto* resize =
      static_cast<const berth_resize*>(sdk::detail::query(self, sdk::str(BERTH_INTERFACE_RESIZE)));
  const auto* stats =
      static_cast<const berth_stats*>(sdk::detail::query(self, sdk::str(BERTH_INTERFACE_STATS)));
  ASSERT_NE(resize, nullptr);
  ASSERT_NE(stats, nullptr);
  berth_resize_request request{sizeof(request), 2, 1, 0, 0};
  resize->resize(self, {1}, 0, {}, &request);
  EXPECT_TRUE(answers().back().status.ok());
  request.memory_bytes = 0;
  resize->resize(self, {2}, 0, {}, &request);
  EXPECT_EQ(answers().back().status.code(), StatusCode::kInternal);
  stats->stats(self, {3}, 0, {});
  EXPECT_TRUE(answers().back().status.ok());
  EXPECT_TRUE(answers().back().has_result);
  sdk::detail::close(self);
  ASSERT_EQ(sdk::detail::open<Leaver>(&args, &self), BERTH_OK);
  EXPECT_EQ(sdk::detail::query(self, sdk::str(BERTH_INTERFACE_RESIZE)), nullptr);
  EXPECT_EQ(sdk::detail::query(self, sdk::str(BERTH_INTERFACE_STATS)), nullptr);
  sdk::detail::close(self);
}

struct Refuser final : sdk::LogStore {
  explicit Refuser(const sdk::OpenArgs& args) {
    if (args.config_json == "status") throw sdk::Error(sdk::permission_denied("not root"));
    throw std::runtime_error("no room");
  }
  void append(const sdk::ActivationRefView&, sdk::LogLinesView, bool, sdk::Promise<void>) override {
  }
  void fetch(const sdk::ActivationRefView&, std::string_view, std::uint64_t,
             sdk::Promise<sdk::LogPage>) override {}
};

TEST_F(SdkTest, AConstructorThatThrowsIsAFailedOpenWithItsReason) {
  void* self = nullptr;
  berth_open_args args{sizeof(berth_open_args), 0, &host_.host, sdk::str("status"), {}, {}, {}};
  EXPECT_EQ(sdk::detail::open<Refuser>(&args, &self), BERTH_PERMISSION_DENIED);
  EXPECT_EQ(host_.error, "not root");
  args.config_json = sdk::str("else");
  EXPECT_EQ(sdk::detail::open<Refuser>(&args, &self), BERTH_INTERNAL);
  EXPECT_EQ(host_.error, "the plugin threw: no room");
  EXPECT_EQ(self, nullptr);
}

TEST_F(SdkTest, PairsKeepOrderAndRepetition) {
  const berth_pair array[] = {{sdk::str("opt"), sdk::str("a")},
                              {sdk::str("driver"), sdk::str("splunk")},
                              {sdk::str("opt"), sdk::str("b")}};
  const sdk::PairsView pairs(berth_pairs{array, 3});
  EXPECT_EQ(pairs.get("opt"), "a");
  EXPECT_EQ(pairs.get("none", "otherwise"), "otherwise");
  EXPECT_EQ(pairs.clone(), (sdk::Pairs{{"opt", "a"}, {"driver", "splunk"}, {"opt", "b"}}));
  EXPECT_TRUE(sdk::PairsView().empty());
}

TEST_F(SdkTest, ServicesTheHostLacksDoNothing) {
  const sdk::Host host(&host_.host);
  host.log().error("unheard");
  EXPECT_FALSE(host.state());
  Status status;
  host.state().get("k", [&](const Status& s, const sdk::StateResult&) { status = s; });
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_FALSE(host.timers().after(std::chrono::seconds(0), [] {}).cancel());
  host.metrics().counter("a_total", "").record(1);
}

}  // namespace
}  // namespace berth::plugin
