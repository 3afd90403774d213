// SPDX-License-Identifier: Apache-2.0
// What the plugin does with an engine that does as it should.
#include <boost/json/object.hpp>
#include <fstream>

#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::FakeEngine;
using berth::testing::ServerReply;
using berth::testing::ServerRequest;

TEST_F(DockerPlugin, CreatesOnABridgeAndDestroys) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_TRUE(info->address.starts_with("tcp://" + engine_->network())) << info->address;
  EXPECT_EQ(info->id, info->token);
  const auto container = engine_->find("berth-test-1");
  ASSERT_TRUE(container);
  EXPECT_EQ(container->id, info->id);
  EXPECT_EQ(container->state, "running");
  EXPECT_EQ(container->body.at("HostConfig").at("SecurityOpt").at(0), "no-new-privileges");
  EXPECT_EQ(container->body.at("Labels").at("berth.action"), "guest/hello");
  EXPECT_TRUE(await(factory().destroy(info->id, later())));
  EXPECT_TRUE(engine_->containers().empty());
  EXPECT_EQ(await(factory().destroy(info->id, later())).error().code(), StatusCode::kNotFound);
  EXPECT_EQ(deaths(), 0u);
}

TEST_F(DockerPlugin, RemovesOnceForAllWhoAsk) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  std::promise<void> go;
  std::shared_future<void> went = go.get_future().share();
  engine_->set_hook([&](const ServerRequest& request, ServerReply&) {
    if (request.method == "DELETE") went.wait();
    return false;
  });
  auto first = begin(factory().destroy(info->id, later()));
  ASSERT_TRUE(eventually([&] { return engine_->count("DELETE") == 1; }));
  auto second = begin(factory().destroy(info->id, later()));
  // Behind the second in the plugin's queue: once it is answered, the second has been taken.
  ASSERT_TRUE(await(factory().capacity(later())));
  go.set_value();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_EQ(engine_->count("DELETE"), 1u);
}

TEST_F(DockerPlugin, JoinsAPooledNetworkWithoutInspectingAndUsesItAgain) {
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":2)"));
  EXPECT_EQ(engine_->count("POST /images/create?fromSrc"), 1u);
  const auto paused = [&] {
    std::size_t n = 0;
    for (const auto& c : engine_->containers()) {
      n += c.body.at("Labels").at("berth.role") == "pause" && c.state == "running" ? 1 : 0;
    }
    return n;
  };
  ASSERT_TRUE(eventually([&] { return paused() == 2; }));
  // The pool is full once the last one has been inspected.
  ASSERT_TRUE(eventually([&] { return engine_->count("GET /containers/0") == 2; }));
  const auto info = create();
  ASSERT_TRUE(info) << info.error().to_string();
  const auto container = engine_->find(info->id);
  const std::string mode(container->body.at("HostConfig").at("NetworkMode").as_string());
  ASSERT_TRUE(mode.starts_with("container:")) << mode;
  const auto pause = engine_->find(mode.substr(10));
  ASSERT_TRUE(pause);
  EXPECT_EQ(info->address, "tcp://" + pause->address + ":8080");
  EXPECT_EQ(engine_->count("GET /containers/" + info->id), 0u);
  EXPECT_TRUE(await(factory().destroy(info->id, later())));
  // What the function wrote to its hosts file is not for the next one to find.
  EXPECT_TRUE(eventually([&] { return !engine_->find(pause->id); })) << "it is not used again";
  ASSERT_TRUE(eventually([&] { return paused() == 2; }));
  EXPECT_TRUE(create(request("berth-test-2")));
}

TEST_F(DockerPlugin, GivesAFunctionOnTheHostsNetworkAPort) {
  // What the function is told is where it must listen: the fake's functions cannot.
  engine_->set_hook([](const ServerRequest& request, ServerReply& reply) {
    if (request.method != "POST" || !request.target.ends_with("/start")) return false;
    reply.send(500, R"({"message":"enough seen"})");
    return true;
  });
  ASSERT_TRUE(open(R"(,"network":"host")"));
  EXPECT_FALSE(create());
  const auto creates = engine_->requests("POST /containers/create");
  ASSERT_EQ(creates.size(), 1u);
  EXPECT_NE(creates[0].body.find("BERTH_PORT="), std::string::npos);
}

TEST_F(DockerPlugin, AnswersBeforeTheEngineDoes) {
  std::promise<void> over;
  std::shared_future<void> released = over.get_future().share();
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":1)"));
  ASSERT_TRUE(eventually([&] { return engine_->count("GET /containers/0") == 1; }));
  // By value: the engine's thread may be in it when the test has ended.
  engine_->set_hook([this, released](const ServerRequest& request, ServerReply& reply) {
    if (request.method != "POST" || !request.target.ends_with("/start")) return false;
    const std::string id = request.target.substr(12, 64);
    if (engine_->find(id)->body.at("Labels").at("berth.role") == "pause") return false;
    engine_->listen(id);
    released.wait();
    reply.send(204, "");
    return true;
  });
  const auto info = create();
  EXPECT_TRUE(info) << info.error().to_string();
  over.set_value();
}

TEST_F(DockerPlugin, PullsAMissingManagedImageOnce) {
  ASSERT_TRUE(open());
  CreateRequest missing = request();
  missing.image = "berth/action-nodejs:2";
  ASSERT_TRUE(create(missing));
  missing.name = "berth-test-2";
  ASSERT_TRUE(create(missing));
  const auto pulls = engine_->requests("POST /images/create");
  ASSERT_EQ(pulls.size(), 1u);
  EXPECT_NE(pulls[0].query().find("fromImage=berth/action-nodejs&tag=2"), std::string::npos);
}

TEST_F(DockerPlugin, PullsAUsersImageOnceAndJoinsPulls) {
  ASSERT_TRUE(open(R"(,"registry_auth":{"r.test:5000":{"username":"u","password":"p"}})"));
  std::promise<void> go;
  std::shared_future<void> went = go.get_future().share();
  engine_->set_hook([went](const ServerRequest& request, ServerReply&) {
    if (request.target.starts_with("/images/create")) went.wait();
    return false;
  });
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 0; i < 8; ++i) {
    CreateRequest user = request("berth-test-" + std::to_string(i));
    user.image = "r.test:5000/me/fn:1";
    user.user_provided_image = true;
    creates.push_back(begin(factory().create(std::move(user), later())));
  }
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /images/create") == 1; }));
  go.set_value();
  for (auto& one : creates) {
    const auto info = one.get();
    EXPECT_TRUE(info) << info.error().to_string();
  }
  const auto pulls = engine_->requests("POST /images/create");
  ASSERT_EQ(pulls.size(), 1u);
  EXPECT_NE(pulls[0].headers.count("x-registry-auth"), 0u);
}

TEST_F(DockerPlugin, PullsAgainOnceItIsTime) {
  ASSERT_TRUE(open(R"(,"pull_again_after":0)"));
  for (const char* image : {"me/fn", "me/fn", "me/fixed@sha256:ff"}) {
    CreateRequest user = request("berth-test-" + random_hex(4));
    user.image = image;
    user.user_provided_image = true;
    (void)create(user);
  }
  EXPECT_EQ(engine_->count("POST /images/create?fromImage=me%2Ffn"), 2u);
  // By its digest it is looked for first.
  EXPECT_EQ(engine_->count("GET /images/me/fixed@sha256:ff"), 1u);
}

TEST_F(DockerPlugin, PausesByTheEngineWhereNoCgroupIs) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  EXPECT_TRUE(await(factory().pause(info->id, later())));
  EXPECT_EQ(engine_->find(info->id)->state, "paused");
  EXPECT_TRUE(await(factory().pause(info->id, later())));
  EXPECT_TRUE(await(factory().resume(info->id, later())));
  EXPECT_EQ(engine_->find(info->id)->state, "running");
  EXPECT_EQ(await(factory().pause("nobody", later())).error().code(), StatusCode::kNotFound);
}

TEST_F(DockerPlugin, SaysWhatThereIsRoomFor) {
  ASSERT_TRUE(open());
  const auto capacity = await(factory().capacity(later()));
  ASSERT_TRUE(capacity);
  EXPECT_EQ(capacity->memory_bytes, 8'000'000'000);
  EXPECT_EQ(capacity->cpu_millis, 4000);
  EXPECT_TRUE(capacity->can_pause);
  EXPECT_TRUE(capacity->memory_enforced);
  EXPECT_FALSE(capacity->pids_enforced);
  EXPECT_NE(capacity->detail.find("processes"), std::string::npos);
}

TEST_F(DockerPlugin, ReadsTheEnginesLogFile) {
  const auto directory = root_ / "docker/containers";
  std::filesystem::create_directories(directory);
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  std::filesystem::create_directories(directory / info->id);
  const auto path = directory / info->id / (info->id + "-json.log");
  const auto write = [&](const std::string& text) {
    std::ofstream(path, std::ios::app)
        << R"({"log":")" << text << R"(\n","stream":"stderr","time":"2024-01-01T00:00:00.5Z"})"
        << "\n";
  };
  write("first");
  auto batch = await(factory().read_logs(info->id, "", 1000, later()));
  ASSERT_TRUE(batch) << batch.error().to_string();
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].bytes, "first");
  EXPECT_EQ(batch->records[0].stream, Stream::kStderr);
  EXPECT_EQ(batch->records[0].time_ns, 1704067200500000000);
  EXPECT_FALSE(batch->records[0].partial_line);
  // Waits for what comes.
  auto next = begin(factory().read_logs(info->id, batch->next_cursor, 1000, later()));
  write("second");
  batch = next.get();
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].bytes, "second");
  // At the deadline: nothing, and no error.
  batch =
      await(factory().read_logs(info->id, batch->next_cursor, 1000,
                                std::chrono::steady_clock::now() + std::chrono::milliseconds(30)));
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->records.empty());
  // The end is told to who waits.
  next = begin(factory().read_logs(info->id, batch->next_cursor, 1000, later()));
  engine_->end(info->id, 0);
  batch = next.get();
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->ended);
  EXPECT_EQ(await(factory().read_logs(info->id, "garbage", 1000, later())).error().code(),
            StatusCode::kInvalidArgument);
}

std::string frame(int stream, const std::string& payload) {
  const auto n = payload.size();
  return std::string{static_cast<char>(stream), 0, 0, 0, 0, 0, static_cast<char>(n >> 8),
                     static_cast<char>(n)} +
         payload;
}

TEST_F(DockerPlugin, ReadsTheLogsEndpointElse) {
  ASSERT_TRUE(open());
  engine_->set_hook([](const ServerRequest& request, ServerReply& reply) {
    if (request.target.find("/logs?") == std::string::npos) return false;
    reply.begin(200);
    // As the engine does: everything at or after `since`.
    if (request.query().find("since=2.") == std::string::npos) {
      reply.chunk(frame(1, "1970-01-01T00:00:01Z one\n"));
    }
    reply.chunk(frame(1, "1970-01-01T00:00:02Z two\n") + frame(2, "1970-01-01T00:00:02Z tw"));
    if (request.query().find("since=") != std::string::npos) {
      reply.chunk(frame(2, "1970-01-01T00:00:02Z o\n"));
      reply.end();
    } else {
      reply.client_stays(30);
    }
    return true;
  });
  const auto info = create();
  ASSERT_TRUE(info);
  auto batch = await(factory().read_logs(info->id, "", 1000, later()));
  ASSERT_TRUE(batch) << batch.error().to_string();
  ASSERT_EQ(batch->records.size(), 3u);
  EXPECT_EQ(batch->records[0].bytes, "one");
  EXPECT_TRUE(batch->records[2].partial_line);
  EXPECT_EQ(batch->records[2].stream, Stream::kStderr);
  batch = await(factory().read_logs(info->id, batch->next_cursor, 1000, later()));
  ASSERT_TRUE(batch) << batch.error().to_string();
  ASSERT_EQ(batch->records.size(), 1u);
  EXPECT_EQ(batch->records[0].bytes, "o");
  batch = await(factory().read_logs(info->id, batch->next_cursor, 1000, later()));
  ASSERT_TRUE(batch);
  EXPECT_TRUE(batch->records.empty());
  EXPECT_TRUE(batch->ended);
}

TEST_F(DockerPlugin, StopsByKillingOrByLettingBe) {
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":1)"));
  const auto info = create();
  ASSERT_TRUE(info);
  EXPECT_TRUE(await(factory().stop(StopMode::kDetach, later())));
  EXPECT_TRUE(engine_->find(info->id));
  instance_.reset();

  // The next life of berthd finds it by its token, where it was.
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":1)"));
  const auto list = await(factory().list(later()));
  ASSERT_TRUE(list) << list.error().to_string();
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->at(0).token, info->token);
  EXPECT_EQ(list->at(0).address, info->address);
  EXPECT_EQ(list->at(0).name, "berth-test-1");
  EXPECT_EQ(list->at(0).labels, (Pairs{{"action", "guest/hello"}}));
  EXPECT_EQ(list->at(0).state, ContainerState::kRunning);
  EXPECT_TRUE(await(factory().drain(later())));
  EXPECT_EQ(create().error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  EXPECT_TRUE(engine_->containers().empty());
  EXPECT_EQ(deaths(), 0u);
}

TEST_F(DockerPlugin, LeavesOthersContainersAlone) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(create());
  // Another berthd of the same instance name on the same engine.
  FakeEngine::Container other = *engine_->find("berth-test-1");
  other.id = std::string(64, 'f');
  other.name = "berth-test-7";
  other.body["Labels"].as_object()["berth.owner"] = "somebody-else";
  engine_->put(other);
  const auto list = await(factory().list(later()));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->size(), 1u);
  // Its name is taken: ours gets another and keeps what the core calls it.
  const auto info = create(request("berth-test-7"));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(info->name, "berth-test-7");
  EXPECT_NE(engine_->find(info->id)->name, "berth-test-7");
  EXPECT_TRUE(await(factory().stop(StopMode::kKill, later())));
  ASSERT_EQ(engine_->containers().size(), 1u);
  EXPECT_EQ(engine_->containers()[0].id, other.id);
}

TEST_F(DockerPlugin, AddsTheLogStoresParameters) {
  ASSERT_TRUE(open());
  CreateRequest r = request();
  r.log_parameters = {{"log-driver", "syslog"}, {"log-opt", "tag=x"}};
  const auto info = create(r);
  ASSERT_TRUE(info);
  EXPECT_EQ(engine_->find(info->id)->body.at("HostConfig").at("LogConfig").at("Type"), "syslog");
  r.name = "berth-test-2";
  // A log store says where output goes, and nothing else.
  for (const char* word : {"frobnicate", "privileged", "--privileged", "cap-add", "volume",
                           "security-opt", "user", "pid"}) {
    r.log_parameters = {{word, "true"}};
    const auto refused = create(r);
    ASSERT_FALSE(refused) << word;
    EXPECT_EQ(refused.error().code(), StatusCode::kInvalidArgument) << word;
  }
}

TEST_F(DockerPlugin, MakesManyAtOnceWithinItsLimit) {
  ASSERT_TRUE(open(R"(,"parallel_creates":3)"));
  std::atomic<int> now{0}, most{0};
  engine_->set_hook([&](const ServerRequest& request, ServerReply&) {
    if (!request.target.starts_with("/containers/create")) return false;
    int seen = ++now;
    for (int was = most; seen > was && !most.compare_exchange_weak(was, seen);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --now;
    return false;
  });
  std::vector<std::future<Result<ContainerInfo>>> creates;
  for (int i = 0; i < 40; ++i) {
    creates.push_back(begin(factory().create(request("berth-test-" + std::to_string(i)), later())));
  }
  std::vector<std::future<Result<void>>> destroys;
  for (auto& one : creates) {
    const auto info = one.get();
    ASSERT_TRUE(info) << info.error().to_string();
    destroys.push_back(begin(factory().destroy(info->id, later())));
  }
  for (auto& one : destroys) EXPECT_TRUE(one.get());
  EXPECT_LE(most, 3);
  EXPECT_TRUE(engine_->containers().empty());
}

}  // namespace
}  // namespace berth::plugin
