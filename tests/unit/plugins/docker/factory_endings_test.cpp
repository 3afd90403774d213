// SPDX-License-Identifier: Apache-2.0
// Functions that end, or never listen, while they are being started.
#include <atomic>
#include <boost/json/object.hpp>

#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::FakeEngine;
using berth::testing::ServerReply;
using berth::testing::ServerRequest;

bool is_start(const ServerRequest& request) {
  return request.method == "POST" && request.target.ends_with("/start");
}

bool is_inspect(const ServerRequest& request) {
  return request.method == "GET" && request.target.starts_with("/containers/") &&
         request.target.ends_with("/json") && request.target != "/containers/json";
}

std::string id_in(const ServerRequest& request) {
  return request.target.substr(12, 64);
}

class DockerEndings : public DockerPlugin {
 protected:
  // What a create of a user's image whose function ended with code 1 must say.
  void expect_ended() {
    CreateRequest user = request();
    user.user_provided_image = true;
    user.image = "me/fn:1";
    const auto ended = create(user);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), StatusCode::kAborted) << ended.error().to_string();
    EXPECT_TRUE(ended.error().user_error());
    EXPECT_NE(ended.error().message().find("exited with code 1"), std::string::npos)
        << ended.error().message();
    EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
    EXPECT_EQ(deaths(), 0u) << "what was never handed out does not die";
  }
  // It has ended, and no event says so.
  void end_in_silence(const std::string& id) {
    FakeEngine::Container container = *engine_->find(id);
    container.state = "exited";
    container.exit_code = 1;
    engine_->put(container);
  }
};

TEST_F(DockerEndings, SaysThatAFunctionNeverListened) {
  ASSERT_TRUE(open(R"(,"start_timeout":"300ms")"));
  engine_->set_silent(true);
  CreateRequest user = request();
  user.user_provided_image = true;
  user.image = "me/fn:1";
  const auto silent = create(user);
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code(), StatusCode::kDeadlineExceeded) << silent.error().to_string();
  EXPECT_TRUE(silent.error().user_error());
  EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
}

TEST_F(DockerEndings, SaysThatAFunctionEnded) {
  ASSERT_TRUE(open());
  engine_->set_hook([this](const ServerRequest& request, ServerReply& reply) {
    if (!is_start(request)) return false;
    reply.send(204, "");
    engine_->end(id_in(request), 1);
    return true;
  });
  expect_ended();
}

// Where the plugin looks for something that only a running container has.
class DockerEndingsSeen : public DockerEndings,
                          public ::testing::WithParamInterface<const char*> {};

TEST_P(DockerEndingsSeen, BeforeItIsLookedFor) {
  ASSERT_TRUE(open(GetParam()));
  engine_->set_hook([this](const ServerRequest& request, ServerReply& reply) {
    if (!is_start(request)) return false;
    end_in_silence(id_in(request));
    reply.send(204, "");
    return true;
  });
  expect_ended();
}

TEST_P(DockerEndingsSeen, BeforeTheEngineHasNoticed) {
  ASSERT_TRUE(open(GetParam()));
  // It says that it runs, but there is nothing to find, and only later that it has ended.
  std::atomic<int> looks{0};
  engine_->set_hook([&](const ServerRequest& request, ServerReply& reply) {
    if (is_start(request)) {
      end_in_silence(id_in(request));
      reply.send(204, "");
      return true;
    }
    if (!is_inspect(request) || ++looks > 2) return false;
    reply.send(200, R"({"State":{"Running":true,"Pid":1073741823,"ExitCode":0},)"
                    R"("NetworkSettings":{"Networks":{}}})");
    return true;
  });
  expect_ended();
  EXPECT_GE(looks, 3);
  engine_->set_hook(nullptr);
}

INSTANTIATE_TEST_SUITE_P(Ways, DockerEndingsSeen,
                         ::testing::Values("", R"(,"network":"none")", R"(,"reach":"published")"));

TEST_F(DockerEndings, SeenAfterTheAddressWas) {
  ASSERT_TRUE(open());
  engine_->set_silent(true);
  engine_->set_hook([this](const ServerRequest& request, ServerReply& reply) {
    if (!is_inspect(request)) return false;
    // Where nobody listens.
    reply.send(200, R"({"State":{"Running":true,"Pid":1,"ExitCode":0},"NetworkSettings":{)"
                    R"("Networks":{"bridge":{"IPAddress":")" +
                        engine_->network() + R"(253"}}}})");
    engine_->end(id_in(request), 1);
    return true;
  });
  expect_ended();
  engine_->set_hook(nullptr);
}

TEST_F(DockerEndings, TellsOfOneThatRunsAndGotNoAddress) {
  ASSERT_TRUE(open(R"(,"start_timeout":"300ms")"));
  engine_->set_hook([](const ServerRequest& request, ServerReply& reply) {
    if (!is_inspect(request)) return false;
    reply.send(200, R"({"State":{"Running":true},"NetworkSettings":{"Networks":{}}})");
    return true;
  });
  const auto info = create();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), StatusCode::kUnavailable);
  EXPECT_NE(info.error().message().find("no address"), std::string::npos);
}

}  // namespace
}  // namespace berth::plugin
