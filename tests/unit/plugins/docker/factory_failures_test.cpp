// SPDX-License-Identifier: Apache-2.0
// What the plugin does when functions die, images are bad, and the engine is odd or gone.
#include <boost/json/object.hpp>

#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::ServerReply;
using berth::testing::ServerRequest;

TEST_F(DockerPlugin, TellsDeathsWithTheirReason) {
  ASSERT_TRUE(open());
  const auto first = create(), second = create(request("berth-test-2")),
             third = create(request("berth-test-3"));
  ASSERT_TRUE(first && second && third);
  engine_->end(first->id, 3);
  ContainerDied death = next_death();
  EXPECT_EQ(death.id, first->id);
  EXPECT_EQ(death.exit_code, 3);
  EXPECT_FALSE(death.oom);
  EXPECT_EQ(death.reason, "exited with code 3");

  // The engine's word for it is in the inspect, the event came without one.
  engine_->end(second->id, 137, true);
  death = next_death();
  EXPECT_EQ(death.id, second->id);
  EXPECT_TRUE(death.oom);
  EXPECT_EQ(death.reason, "exhausted its memory: limit 256 MB");

  // A child was killed for memory: the function is ended, and that is the reason.
  engine_->send_event("oom", third->id);
  death = next_death();
  EXPECT_EQ(death.id, third->id);
  EXPECT_TRUE(death.oom);
  // The dead are there until they are destroyed.
  EXPECT_TRUE(await(factory().destroy(third->id, later())));
  EXPECT_FALSE(engine_->find(third->id));
}

TEST_F(DockerPlugin, LearnsThatItWasMemoryAfterTheDeath) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  engine_->end(info->id, 137, false);
  engine_->send_event("oom", info->id);
  const ContainerDied death = next_death();
  EXPECT_TRUE(death.oom) << death.reason;
}

struct BadStart {
  int code;
  const char* body;
  StatusCode expected;
};

TEST_F(DockerPlugin, SaysWhoseFaultAFailedStartIs) {
  ASSERT_TRUE(open());
  for (
      const BadStart& bad : {
          BadStart{
              400,
              R"({"message":"OCI runtime create failed: exec: \"x\": executable file not found in $PATH"})",
              StatusCode::kFailedPrecondition},
          BadStart{500, R"({"message":"driver failed programming external connectivity"})",
                   StatusCode::kInternal},
          BadStart{503, "busy", StatusCode::kUnavailable},
      }) {
    engine_->set_hook([&](const ServerRequest& request, ServerReply& reply) {
      if (request.method != "POST" || !request.target.ends_with("/start")) return false;
      reply.send(bad.code, bad.body);
      return true;
    });
    CreateRequest user = request();
    user.user_provided_image = true;
    user.image = "me/fn:1";
    const auto info = create(user);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().code(), bad.expected) << info.error().to_string();
    EXPECT_EQ(info.error().user_error(), bad.code == 400);
    EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
  }
  EXPECT_EQ(deaths(), 0u) << "what was never handed out does not die";
}

TEST_F(DockerPlugin, GivesTheEnginesReasonForAFailedPull) {
  ASSERT_TRUE(open());
  const char* answer = R"({"message":"pull access denied for me/fn"})";
  int code = 404;
  engine_->set_hook([&](const ServerRequest& request, ServerReply& reply) {
    if (!request.target.starts_with("/images/create")) return false;
    reply.send(code, answer);
    return true;
  });
  CreateRequest user = request();
  user.user_provided_image = true;
  user.image = "me/fn";
  auto info = create(user);
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(info.error().user_error());
  EXPECT_NE(info.error().message().find("pull access denied"), std::string::npos);

  // In the middle of a pull that began well.
  code = 200;
  answer = "{\"status\":\"Pulling\"}\n{\"error\":\"manifest unknown\"}\n";
  info = create(user);
  ASSERT_FALSE(info);
  EXPECT_NE(info.error().message().find("manifest unknown"), std::string::npos);

  // A tag other than latest that the engine has is used nevertheless; latest is not.
  answer = "{\"error\":\"registry is down\"}\n";
  engine_->add_image("me/fn");
  EXPECT_FALSE(create(user));
  user.image = "me/fn:1";
  info = create(user);
  EXPECT_TRUE(info) << info.error().to_string();
}

TEST_F(DockerPlugin, FailsWhileTheEngineIsGoneAndLearnsWhatHappenedMeanwhile) {
  ASSERT_TRUE(open(R"(,"engine_wait":0)"));
  const auto lives = create(), dies = create(request("berth-test-2")),
             vanishes = create(request("berth-test-3"));
  ASSERT_TRUE(lives && dies && vanishes);
  engine_->go_away();
  // Whatever is asked now is answered, and may be asked again later.
  Result<ContainerInfo> refused = create(request("berth-test-4"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(refused.error().retryable());
  const auto kept = await(factory().destroy(lives->id, later()));
  ASSERT_FALSE(kept);
  EXPECT_TRUE(kept.error().retryable());
  EXPECT_EQ(deaths(), 0u);

  // Meanwhile one ended, one was removed, and one came to be whose create was never answered.
  auto ended = *engine_->find(dies->id);
  ended.state = "exited";
  ended.exit_code = 9;
  engine_->put(ended);
  engine_->take_away(vanishes->id);
  auto orphan = *engine_->find(lives->id);
  orphan.id = std::string(64, 'e');
  orphan.name = "berth-test-99";
  engine_->put(orphan);
  engine_->come_back();
  ContainerDied first = next_death(), second = next_death();
  if (first.id != dies->id) std::swap(first, second);
  EXPECT_EQ(first.id, dies->id);
  EXPECT_EQ(first.exit_code, 9);
  EXPECT_EQ(second.id, vanishes->id);
  EXPECT_EQ(second.exit_code, -1);
  EXPECT_TRUE(eventually([&] { return !engine_->find(orphan.id); })) << "an orphan stays";
  EXPECT_TRUE(engine_->find(lives->id));
  ASSERT_TRUE(eventually([&] { return bool(create(request("berth-test-5"))); }));
}

TEST_F(DockerPlugin, WaitsAMomentForAnEngineThatIsRestarted) {
  ASSERT_TRUE(open(R"(,"engine_wait":"60s","network":"pooled","pool_size":1)"));
  ASSERT_TRUE(create());
  engine_->go_away();
  // The end of its events has been seen: nothing is asked of it any more.
  ASSERT_TRUE(eventually([&] {
    return metrics_.text().find("berth_plugin_docker_engine_up 0") != std::string::npos;
  }));
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 2; i < 6; ++i) {
    creates.push_back(begin(factory().create(request("berth-test-" + std::to_string(i)), later())));
  }
  // As after a restart: what ran has ended, the ready namespaces too.
  for (auto container : engine_->containers()) {
    container.state = "exited";
    engine_->put(container);
  }
  engine_->come_back();
  for (auto& one : creates) {
    const auto info = one.get();
    EXPECT_TRUE(info) << info.error().to_string();
  }
  EXPECT_EQ(next_death().exit_code, 0);
}

TEST_F(DockerPlugin, EndsACreateInTheMiddleOfWhichTheEngineGoes) {
  ASSERT_TRUE(open());
  engine_->set_hook([&](const ServerRequest& request, ServerReply& reply) {
    if (request.method != "POST" || !request.target.ends_with("/start")) return false;
    reply.client_stays(60);
    return true;
  });
  auto creating = begin(factory().create(request(), later()));
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /containers/0") == 1; }));
  engine_->go_away();
  const auto info = creating.get();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(info.error().retryable());
  engine_->set_hook(nullptr);
  engine_->come_back();
  EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
}

TEST_F(DockerPlugin, CancelsACreateThatNobodyWaitsForAnyMore) {
  ASSERT_TRUE(open());
  engine_->set_silent(true);
  const auto info = await(factory().create(
      request(), std::chrono::steady_clock::now() + std::chrono::milliseconds(200)));
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
}

TEST_F(DockerPlugin, RefusesWhatIsNoEngine) {
  engine_->set_hook([](const ServerRequest&, ServerReply& reply) {
    reply.send(200, "<html>welcome</html>");
    return true;
  });
  const auto strange = open();
  ASSERT_FALSE(strange);
  EXPECT_EQ(strange.error().code(), StatusCode::kFailedPrecondition) << strange.error().to_string();
  instance_.reset();
  engine_->set_hook([](const ServerRequest& request, ServerReply& reply) {
    if (request.target != "/version") return false;
    reply.send(200, R"({"ApiVersion":"1.20"})");
    return true;
  });
  const auto old = open();
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message().find("1.24"), std::string::npos);
  instance_.reset();
  engine_->go_away();
  const auto gone = open();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), StatusCode::kUnavailable);
}

TEST_F(DockerPlugin, SurvivesOddAnswers) {
  ASSERT_TRUE(open());
  for (const char* odd : {"", "null", "[]", "{}", R"({"Id":7})", "{\"Id\":"}) {
    // By value: what the plugin looks up by itself may come at any time.
    engine_->set_hook([odd](const ServerRequest& request, ServerReply& reply) {
      if (!request.target.starts_with("/containers/")) return false;
      reply.send(201, odd);
      return true;
    });
    EXPECT_FALSE(create()) << odd;
    (void)await(factory().list(later()));
  }
  engine_->set_hook(nullptr);
  EXPECT_TRUE(create());
}

TEST_F(DockerPlugin, GoesWithWorkInFlight) {
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":3)"));
  engine_->set_silent(true);
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 0; i < 20; ++i) {
    creates.push_back(begin(factory().create(request("berth-test-" + std::to_string(i)), later())));
  }
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /containers/create") > 3; }));
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  instance_.reset();
  for (auto& one : creates) EXPECT_FALSE(one.get());
}

}  // namespace
}  // namespace berth::plugin
