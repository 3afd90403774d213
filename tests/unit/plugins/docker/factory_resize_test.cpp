// SPDX-License-Identifier: Apache-2.0
// Other limits for a living container, and what one uses.
#include "factory_fixture.hpp"

namespace berth::plugin {
namespace {

using berth::testing::ServerReply;
using berth::testing::ServerRequest;

TEST_F(DockerPlugin, GivesALivingContainerOtherLimits) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(factory().can_resize());
  const auto info = create();
  ASSERT_TRUE(info) << info.error().to_string();
  const auto resized = await(factory().resize(info->id, {512ull << 20, 300, 1500}, later()));
  ASSERT_TRUE(resized) << resized.error().to_string();
  const auto container = engine_->find(info->id);
  const auto& host = container->body.at("HostConfig");
  EXPECT_EQ(host.at("Memory"), 512 << 20);
  EXPECT_EQ(host.at("MemorySwap"), 512 << 20) << "else the engine refuses to raise the limit";
  EXPECT_EQ(host.at("CpuShares"), 300);
  EXPECT_EQ(host.at("CpuQuota"), 150'000);
  engine_->end(info->id, 137, true);
  EXPECT_EQ(next_death().reason, "exhausted its memory: limit 512 MB");
  EXPECT_EQ(await(factory().resize(info->id, {1ull << 30, 300, 0}, later())).error().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(await(factory().resize("nobody", {1ull << 30, 300, 0}, later())).error().code(),
            StatusCode::kNotFound);
}

TEST_F(DockerPlugin, AnEngineThatRefusesLimitsIsHeard) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  engine_->set_hook([](const ServerRequest& request, ServerReply& reply) {
    if (!request.target.ends_with("/update")) return false;
    reply.send(500, R"({"message":"Cannot update container: device or resource busy"})");
    return true;
  });
  const auto resized = await(factory().resize(info->id, {512ull << 20, 300, 0}, later()));
  ASSERT_FALSE(resized);
  EXPECT_EQ(resized.error().code(), StatusCode::kInternal);
  EXPECT_NE(resized.error().message().find("device or resource busy"), std::string::npos);
}

TEST_F(DockerPlugin, AnEngineWithoutThatCallIsNotTakenForOneWithoutTheContainer) {
  ASSERT_TRUE(open());
  const auto info = create();
  ASSERT_TRUE(info);
  std::string message = "page not found";
  engine_->set_hook([&](const ServerRequest& request, ServerReply& reply) {
    if (!request.target.ends_with("/update")) return false;
    reply.send(404, R"({"message":")" + message + R"("})");
    return true;
  });
  EXPECT_EQ(await(factory().resize(info->id, {512ull << 20, 300, 0}, later())).error().code(),
            StatusCode::kUnimplemented);
  message = "No such container: " + info->id;
  EXPECT_EQ(await(factory().resize(info->id, {512ull << 20, 300, 0}, later())).error().code(),
            StatusCode::kNotFound);
}

TEST_F(DockerPlugin, TellsWhatAContainerUses) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(factory().has_stats());
  const auto info = create();
  ASSERT_TRUE(info);
  const auto stats = await(factory().stats(info->id, later()));
  ASSERT_TRUE(stats) << stats.error().to_string();
  EXPECT_EQ(stats->memory_bytes, 40'000'000) << "without what the kernel can drop";
  EXPECT_EQ(stats->memory_limit_bytes, 256 << 20);
  EXPECT_EQ(stats->cpu_ns, 123'456'789);
  EXPECT_EQ(stats->pids, 7);
  EXPECT_EQ(await(factory().stats("nobody", later())).error().code(), StatusCode::kNotFound);
  engine_->end(info->id, 0);
  next_death();
  EXPECT_EQ(await(factory().stats(info->id, later())).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace berth::plugin
