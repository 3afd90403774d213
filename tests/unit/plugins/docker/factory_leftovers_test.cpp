// SPDX-License-Identifier: Apache-2.0
// Nothing stays in the engine that nobody knows, whatever goes wrong in the middle.
#include <atomic>
#include <boost/json/object.hpp>

#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::ServerReply;
using berth::testing::ServerRequest;

// More than the engine needs to answer: what is wrong shows, what is right does not depend on it.
constexpr std::chrono::milliseconds kAWhile{100};

class DockerLeftovers : public DockerPlugin {};

TEST_F(DockerLeftovers, AStopRemovesWhatACreateUnderWayMakes) {
  ASSERT_TRUE(open());
  Barrier barrier;
  engine_->set_hook([passed = barrier.passed](const ServerRequest& request, ServerReply&) {
    if (request.target.starts_with("/containers/create")) passed.wait();
    return false;
  });
  auto creating = begin(factory().create(request(), later()));
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /containers/create") == 1; }));
  auto stopping = begin(factory().stop(StopMode::kKill, later()));
  std::this_thread::sleep_for(kAWhile);
  barrier.open();
  const auto stopped = stopping.get();
  EXPECT_TRUE(stopped) << stopped.error().to_string();
  EXPECT_TRUE(engine_->containers().empty());
  EXPECT_FALSE(creating.get());
}

TEST_F(DockerLeftovers, AStopRemovesThePooledNetworkThatIsBeingMade) {
  Barrier barrier;
  engine_->set_hook([passed = barrier.passed](const ServerRequest& request, ServerReply&) {
    if (request.target.starts_with("/containers/create")) passed.wait();
    return false;
  });
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":2)"));
  ASSERT_TRUE(eventually([&] { return engine_->count("POST /containers/create") == 1; }));
  auto stopping = begin(factory().stop(StopMode::kKill, later()));
  std::this_thread::sleep_for(kAWhile);
  barrier.open();
  const auto stopped = stopping.get();
  EXPECT_TRUE(stopped) << stopped.error().to_string();
  EXPECT_TRUE(engine_->containers().empty());
}

TEST_F(DockerLeftovers, ACreateThatWasNotAnsweredIsCleanedUp) {
  ASSERT_TRUE(open(R"(,"create_timeout":"300ms")"));
  Barrier barrier;
  engine_->set_hook([passed = barrier.passed](const ServerRequest& request, ServerReply&) {
    if (request.target.starts_with("/containers/create")) passed.wait();
    return false;
  });
  const auto info = create();
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code(), StatusCode::kUnavailable) << info.error().to_string();
  EXPECT_TRUE(info.error().retryable());
  // The engine makes it all the same.
  barrier.open();
  EXPECT_TRUE(eventually([&] {
    return engine_->count("DELETE /containers/") > 0 && engine_->containers().empty();
  })) << "left behind";
}

TEST_F(DockerLeftovers, APooledNetworkWhoseRemovalFailedIsRemovedLater) {
  ASSERT_TRUE(open(R"(,"network":"pooled","pool_size":0)"));
  const auto info = create();
  ASSERT_TRUE(info) << info.error().to_string();
  const auto failures = std::make_shared<std::atomic<int>>(0);
  engine_->set_hook([failures, id = info->id](const ServerRequest& request, ServerReply& reply) {
    if (request.method != "DELETE" || request.target.find(id) != std::string::npos) return false;
    if (failures->fetch_add(1) > 0) return false;
    reply.send(500, R"({"message":"device or resource busy"})");
    return true;
  });
  EXPECT_TRUE(await(factory().destroy(info->id, later())));
  EXPECT_TRUE(eventually([&] { return engine_->containers().empty(); })) << "left behind";
  EXPECT_GE(*failures, 2);
}

TEST_F(DockerLeftovers, EventsThatEndDuringTheStartAreOpenedAgain) {
  Barrier listing, ended;
  const auto streams = std::make_shared<std::atomic<int>>(0);
  engine_->set_hook([streams, &listing, over = ended.passed, asked = listing.passed](
                        const ServerRequest& request, ServerReply& reply) {
    if (request.target.starts_with("/events") && streams->fetch_add(1) == 0) {
      reply.begin(200, "Content-Type: application/json\r\n");
      asked.wait();
      reply.end();
      return true;
    }
    if (request.target.starts_with("/containers/json") && *streams == 1) {
      listing.open();
      over.wait();
    }
    return false;
  });
  auto ending = std::async(std::launch::async, [&] {
    listing.passed.wait();
    std::this_thread::sleep_for(kAWhile);
    ended.open();
  });
  const auto opened = open(R"(,"engine_wait":"60s")");
  listing.open();
  ending.get();
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_TRUE(eventually([&] { return engine_->streams() == 1; })) << "nobody watches the engine";
  const auto info = create();
  EXPECT_TRUE(info) << info.error().to_string();
}

}  // namespace
}  // namespace berth::plugin
