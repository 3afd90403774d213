// SPDX-License-Identifier: Apache-2.0
// What goes to another thread and comes back: each side's things are touched on its own thread.
#include "activation/posted_intake.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "activation/invoker.hpp"

namespace berth::activation {
namespace {

using namespace std::chrono_literals;

// Keeps a broken one from hanging the suite.
constexpr auto kPatience = 60s;

class Side {
 public:
  ~Side() {
    guard_.reset();
    thread_.join();
  }
  template <typename Function>
  void run(Function function) {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      function();
      done.set_value();
    });
    ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
  }
  bool is_here() const { return std::this_thread::get_id() == thread_.get_id(); }

  boost::asio::io_context io{1};

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      io.get_executor()};
  std::thread thread_{[this] { io.run(); }};
};

// Answers when the test says so.
class SlowInvoker final : public Invoker {
 public:
  explicit SlowInvoker(const Side& side) : side_(side) {}

  Status invoke(Invocation invocation, OutcomeHandler handler) override {
    EXPECT_TRUE(side_.is_here());
    if (refuse) return sdk::resource_exhausted("full");
    taken.emplace_back(std::move(invocation), std::move(handler));
    return {};
  }
  void keep(store::Work work, AcceptHandler done) override {
    EXPECT_TRUE(side_.is_here());
    kept = std::move(work.activation_id);
    done(Status());
  }
  std::chrono::seconds retry_after() const override { return 7s; }
  bool logs_pending(std::string_view id) const override {
    EXPECT_TRUE(side_.is_here());
    return id == "pending";
  }
  boost::asio::awaitable<void> shut_down(SteadyTime) override { co_return; }

  bool refuse = false;
  std::vector<std::pair<Invocation, OutcomeHandler>> taken;
  std::string kept;

 private:
  const Side& side_;
};

class PostedIntakeTest : public testing::Test {
 protected:
  // Sends one and says in `told` what came back, in its order.
  void submit(bool blocking) {
    here.run([this, blocking] {
      Invocation invocation;
      invocation.activation_id = "id";
      invocation.arguments = "{}";
      invocation.blocking = blocking;
      // Destroyed here, like the handlers that hold it.
      const std::shared_ptr<void> request(nullptr, [this](void*) {
        EXPECT_TRUE(here.is_here());
        ended.set_value();
      });
      intake->submit(
          std::move(invocation),
          [this, request](const Status& status) {
            EXPECT_TRUE(here.is_here());
            told += status.ok() ? "accepted " : "refused ";
            if (!status.ok()) retry_after = intake->retry_after();
          },
          [this, request](const entity::Activation& activation) {
            EXPECT_TRUE(here.is_here());
            told += activation.result;
          });
    });
  }
  // The invoker's next answer.
  void finish() {
    there.run([this] {
      const auto [invocation, handler] = std::move(next.taken.at(0));
      next.taken.clear();
      EXPECT_EQ(invocation.activation_id, "id");
      EXPECT_EQ(invocation.arguments, "{}");
      entity::Activation activation;
      activation.result = "done";
      handler(activation);
    });
  }
  void wait_for_end() {
    ASSERT_EQ(ended.get_future().wait_for(kPatience), std::future_status::ready);
  }

  Side here;
  Side there;  // ends first: it may still be on its way out of a post to the other
  SlowInvoker next{there};
  std::unique_ptr<PostedIntake> intake = std::make_unique<PostedIntake>(here.io, there.io, next);
  std::string told;
  std::chrono::seconds retry_after{};
  std::promise<void> ended;
};

TEST_F(PostedIntakeTest, AnAcceptedOneIsToldBeforeItEnds) {
  submit(false);
  there.run([] {});
  here.run([this] { EXPECT_EQ(told, "accepted "); });
  finish();
  wait_for_end();
  EXPECT_EQ(told, "accepted done");
}

TEST_F(PostedIntakeTest, ABlockingOneIsAcceptedWithItsOutcome) {
  submit(true);
  there.run([] {});
  here.run([this] { EXPECT_EQ(told, ""); });
  finish();
  wait_for_end();
  EXPECT_EQ(told, "accepted done");
}

TEST_F(PostedIntakeTest, ARefusalBringsWhenToComeAgain) {
  for (const bool blocking : {false, true}) {
    next.refuse = true;
    told.clear();
    ended = {};
    submit(blocking);
    wait_for_end();
    EXPECT_EQ(told, "refused ");
    EXPECT_EQ(retry_after, 7s);
  }
}

// Its caller stops waiting before the refusal has come to it.
TEST_F(PostedIntakeTest, WhatWasRefusedIsNotKept) {
  next.refuse = true;
  std::promise<Status> kept;
  here.run([&] {
    Invocation invocation;
    invocation.activation_id = "id";
    invocation.blocking = true;
    intake->submit(
        std::move(invocation), [](const Status& status) { EXPECT_FALSE(status.ok()); },
        [](const entity::Activation&) { ADD_FAILURE(); });
    store::Work work;
    work.activation_id = "id";
    intake->keep(std::move(work), [&](const Status& status) { kept.set_value(status); });
  });
  auto answer = kept.get_future();
  ASSERT_EQ(answer.wait_for(kPatience), std::future_status::ready);
  EXPECT_FALSE(answer.get().ok());
  there.run([this] { EXPECT_EQ(next.kept, ""); });
}

// As it is when Berth stops before a durable one ran: its caller's things end on their own thread.
TEST_F(PostedIntakeTest, WhatIsDroppedEndsHere) {
  submit(false);
  there.run([this] { next.taken.clear(); });
  wait_for_end();
  EXPECT_EQ(told, "accepted ");
}

TEST_F(PostedIntakeTest, AnswersFindTheirWayWhenTheIntakeIsGone) {
  submit(true);
  there.run([] {});
  here.run([this] { intake.reset(); });
  finish();
  wait_for_end();
  EXPECT_EQ(told, "accepted done");
}

TEST_F(PostedIntakeTest, AsksAcross) {
  here.run([this] {
    store::Work work;
    work.activation_id = "kept";
    intake->keep(std::move(work), [this](const Status& status) {
      EXPECT_TRUE(here.is_here());
      EXPECT_TRUE(status.ok());
      ended.set_value();
    });
  });
  wait_for_end();
  there.run([this] { EXPECT_EQ(next.kept, "kept"); });
  for (const char* id : {"pending", "written"}) {
    auto pending =
        boost::asio::co_spawn(here.io, intake->still_logging(id), boost::asio::use_future);
    ASSERT_EQ(pending.wait_for(kPatience), std::future_status::ready);
    EXPECT_EQ(pending.get(), std::string_view(id) == "pending");
  }
}

}  // namespace
}  // namespace berth::activation
