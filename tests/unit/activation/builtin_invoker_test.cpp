// SPDX-License-Identifier: Apache-2.0
// Berth's own actions have the limits and records of all others.
#include "activation/builtin_invoker.hpp"

#include <gmock/gmock.h>

#include "unit/activation/fake_stores.hpp"
#include "unit/activation/fake_work.hpp"
#include "unit/container/fakes.hpp"

namespace berth::activation {
namespace {

using testing::HasSubstr;

class NoInvoker final : public Invoker {
 public:
  Status invoke(Invocation, OutcomeHandler) override { return sdk::unavailable("none"); }
  boost::asio::awaitable<void> shut_down(SteadyTime) override { co_return; }
};

class BuiltinInvokerTest : public testing::Test {
 protected:
  void make(std::uint64_t max_response_bytes, bool record_before_reply) {
    builtins = std::make_unique<BuiltinInvoker>(
        BuiltinDependencies{.io = io,
                            .clock = system_clock(),
                            .next = none,
                            .activations = records,
                            .work = rows,
                            .max_response_bytes = max_response_bytes,
                            .record_before_reply = record_before_reply});
    builtins->add("guest/echo", [](const Invocation&, const boost::json::object& arguments,
                                   const BuiltinDone& done) { done(builtin_result(arguments)); });
  }
  void invoke(const std::string& arguments, bool blocking = true) {
    Invocation invocation;
    invocation.activation_id = "id";
    invocation.user = test::make_identity("guest");
    invocation.action = test::make_action("echo", 128, 1, std::string(kBuiltinKind));
    invocation.arguments = arguments;
    invocation.blocking = blocking;
    const Status taken = builtins->invoke(
        std::move(invocation), [this](const entity::Activation& outcome) { reply = outcome; });
    EXPECT_TRUE(taken.ok()) << taken.to_string();
  }
  bool wait() {
    return test::run_until(io, [this] { return reply && records.find("id") != nullptr; });
  }

  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  NoInvoker none;
  test::FakeActivationStore records;
  test::FakeWorkStore rows;
  std::unique_ptr<BuiltinInvoker> builtins;
  std::optional<entity::Activation> reply;
};

TEST_F(BuiltinInvokerTest, AResultHasItsLimit) {
  make(20, false);
  invoke(R"({"a":"0123456789012"})");
  ASSERT_TRUE(wait());
  EXPECT_EQ(reply->outcome, entity::Outcome::kApplicationError);
  EXPECT_THAT(reply->result, HasSubstr("exceeded the allowed length: 21 > 20 bytes"));
  EXPECT_EQ(reply->size, 21u);
  EXPECT_EQ(records.find("id")->result, reply->result);
  records.records.clear();
  reply.reset();
  invoke(R"({"a":"012345678901"})");
  ASSERT_TRUE(wait());
  EXPECT_EQ(reply->outcome, entity::Outcome::kSuccess);
}

TEST_F(BuiltinInvokerTest, TheRecordComesBeforeTheReplyWhereThatIsWanted) {
  make(0, true);
  records.hold_puts = true;
  invoke("{}");
  ASSERT_TRUE(test::run_until(io, [this] { return !records.held.empty(); }));
  EXPECT_FALSE(reply);
  records.let_puts();
  ASSERT_TRUE(wait());
  EXPECT_EQ(records.how.back(), "put");
  // Nobody waits for this one.
  records.records.clear();
  reply.reset();
  invoke("{}", false);
  ASSERT_TRUE(wait());
  EXPECT_EQ(records.how.back(), "later");
}

TEST_F(BuiltinInvokerTest, ARecordThatCannotBeWrittenNowFollows) {
  make(0, true);
  records.put_failure = sdk::resource_exhausted("no room");
  invoke("{}");
  ASSERT_TRUE(wait());
  EXPECT_EQ(records.how.back(), "later");
}

}  // namespace
}  // namespace berth::activation
