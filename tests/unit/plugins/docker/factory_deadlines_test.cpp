// SPDX-License-Identifier: Apache-2.0
// Creates that take longer than somebody waits for them: who is told what, and what goes on.
#include <boost/json/object.hpp>

#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::ServerReply;
using berth::testing::ServerRequest;
using std::chrono::milliseconds;

class DockerDeadlines : public DockerPlugin {
 protected:
  void hold(const std::string& target, Barrier& barrier) {
    engine_->set_hook(
        [target, passed = barrier.passed](const ServerRequest& request, ServerReply&) {
          if (request.target.starts_with(target)) passed.wait();
          return false;
        });
  }
  static CreateRequest users_request(const std::string& name = "berth-test-1") {
    CreateRequest user = request(name);
    user.user_provided_image = true;
    user.image = "me/fn:1";
    return user;
  }
  // The answer of a create whose host waits long enough for the plugin to come to `stage`, which on
  // a busy machine takes a while: the host waits longer each time.
  template <typename F>
  Status refusal(const CreateRequest& request, F is_that_stage) {
    for (milliseconds patience{400};; patience *= 2) {
      const auto info =
          await(factory().create(request, std::chrono::steady_clock::now() + patience));
      if (info) return Status();
      if (is_that_stage(info.error()) || patience > kPatience) return info.error();
    }
  }
};

TEST_F(DockerDeadlines, SaysThatAUsersImageIsStillBeingPulledAndFindsItLater) {
  ASSERT_TRUE(open());
  Barrier barrier;
  hold("/images/create", barrier);
  const auto still = [](const Status& why) {
    return why.message().find("still being pulled") != std::string::npos;
  };
  const Status why = refusal(users_request(), still);
  EXPECT_TRUE(still(why)) << why.to_string();
  EXPECT_EQ(why.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(why.retryable());
  EXPECT_TRUE(why.user_error()) << "it is the image's size that is to blame";
  // The pull has gone on meanwhile, for whoever comes next.
  barrier.open();
  const auto info = create(users_request());
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(engine_->count("POST /images/create"), 1u);
  EXPECT_EQ(engine_->containers().size(), 1u);
}

TEST_F(DockerDeadlines, SaysThatAManagedImageIsStillBeingPulled) {
  ASSERT_TRUE(open());
  Barrier barrier;
  hold("/images/create", barrier);
  CreateRequest missing = request();
  missing.image = "berth/action-nodejs:2";
  const auto still = [](const Status& why) {
    return why.message().find("still being pulled") != std::string::npos;
  };
  const Status why = refusal(missing, still);
  EXPECT_TRUE(still(why)) << why.to_string();
  EXPECT_TRUE(why.retryable());
  EXPECT_FALSE(why.user_error()) << "nobody but the operator chose it";
  barrier.open();
  const auto info = create(missing);
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(engine_->count("POST /images/create"), 1u);
}

TEST_F(DockerDeadlines, BlamesAFunctionThatDoesNotListenBeforeTheHostGivesUp) {
  ASSERT_TRUE(open());  // start_timeout is longer than the host waits
  engine_->set_silent(true);
  const auto listened = [](const Status& why) {
    return why.message().find("nothing listened") != std::string::npos;
  };
  const Status why = refusal(users_request(), listened);
  EXPECT_TRUE(listened(why)) << why.to_string();
  EXPECT_EQ(why.code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(why.user_error());
  EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
}

TEST_F(DockerDeadlines, DoesNotBlameAFunctionForAnEngineThatIsSlow) {
  ASSERT_TRUE(open());
  Barrier barrier;
  hold("/containers/create", barrier);
  const auto slow = [](const Status& why) {
    return why.message().find("made no container") != std::string::npos;
  };
  const Status why = refusal(users_request(), slow);
  EXPECT_TRUE(slow(why)) << why.to_string();
  EXPECT_EQ(why.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(why.retryable());
  EXPECT_FALSE(why.user_error());
  // What it makes in the end is not kept.
  const std::size_t asked = engine_->count("POST /containers/create");
  barrier.open();
  EXPECT_TRUE(eventually([&] {
    return engine_->count("DELETE /containers/") >= asked && engine_->containers().empty();
  })) << "left behind";
}

TEST_F(DockerDeadlines, LetsOthersCreateWhileAnImageIsPulled) {
  ASSERT_TRUE(open(R"(,"parallel_creates":1)"));
  Barrier barrier;
  hold("/images/create", barrier);
  CreateRequest missing = request("berth-test-2");
  missing.image = "berth/action-nodejs:2";
  auto waits = begin(factory().create(missing, later()));
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /images/create") == 1; }));
  const auto other = create();
  EXPECT_TRUE(other) << other.error().to_string();
  barrier.open();
  const auto info = waits.get();
  EXPECT_TRUE(info) << info.error().to_string();
}

TEST_F(DockerDeadlines, UsesTheEnginesImageWhenAPullTakesTooLong) {
  ASSERT_TRUE(open(R"(,"pull_timeout":"200ms")"));
  Barrier barrier;
  hold("/images/create", barrier);
  const auto missing = create(users_request());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), StatusCode::kNotFound) << missing.error().to_string();
  EXPECT_TRUE(missing.error().user_error());
  engine_->add_image("me/fn");
  const auto info = create(users_request());
  EXPECT_TRUE(info) << info.error().to_string();
}

TEST_F(DockerDeadlines, PullsAnImageAgainThatSomebodyHasRemoved) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(create(users_request()));
  engine_->remove_image("me/fn");
  const auto info = create(users_request("berth-test-2"));
  EXPECT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(engine_->count("POST /images/create"), 2u);
}

TEST_F(DockerDeadlines, TellsPeopleWhatACreateWaitsFor) {
  ASSERT_TRUE(open());
  Barrier barrier;
  engine_->set_hook([passed = barrier.passed](const ServerRequest& request, ServerReply& reply) {
    if (!request.target.starts_with("/images/create")) return false;
    reply.begin(200);
    reply.chunk(R"({"status":"Downloading","id":"layer","progressDetail":)"
                R"({"current":12582912,"total":83886080}})"
                "\n");
    passed.wait();
    reply.end();
    return true;
  });
  auto creating = begin(factory().create(users_request(), later()));
  std::string waits;
  EXPECT_TRUE(eventually([&] {
    waits = factory().progress()["berth-test-1"];
    return waits == "pulling image me/fn:1: 12 of 80 MB, 0 of 1 layers";
  })) << waits;
  barrier.open();
  (void)creating.get();
  EXPECT_TRUE(factory().progress().empty()) << "it is over";
}

}  // namespace
}  // namespace berth::plugin
