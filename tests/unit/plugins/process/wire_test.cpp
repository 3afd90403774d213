// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "protocol/fork_request.hpp"
#include "protocol/protocol.hpp"

namespace berth::process {
namespace {

template <typename Message>
bool round_trip(const Message& in, Message& out) {
  Writer writer;
  encode(writer, in);
  Reader reader(writer.bytes());
  return decode(reader, out);
}

TEST(Wire, IntegersAndTextsComeBack) {
  Writer w;
  w.u8(200);
  w.u32(0xdeadbeef);
  w.u64(0x0123456789abcdef);
  w.i32(-7);
  w.i64(-1'000'000'000'000);
  w.text(std::string("a\0b", 3));
  w.texts({"", "x"});
  Reader r(w.bytes());
  EXPECT_EQ(r.u8(), 200);
  EXPECT_EQ(r.u32(), 0xdeadbeef);
  EXPECT_EQ(r.u64(), 0x0123456789abcdefu);
  EXPECT_EQ(r.i32(), -7);
  EXPECT_EQ(r.i64(), -1'000'000'000'000);
  EXPECT_EQ(r.text(), std::string("a\0b", 3));
  EXPECT_EQ(r.texts(), (std::vector<std::string>{"", "x"}));
  EXPECT_TRUE(r.ok());
  EXPECT_TRUE(r.at_end());
}

TEST(Wire, AReaderTrustsNoLength) {
  Writer w;
  w.u32(0xffffffff);
  Reader text(w.bytes());
  EXPECT_EQ(text.text(), "");
  EXPECT_FALSE(text.ok());
  Reader texts(w.bytes());
  EXPECT_TRUE(texts.texts().empty());
  EXPECT_FALSE(texts.ok());
  Reader empty({});
  EXPECT_EQ(empty.u64(), 0u);
  EXPECT_FALSE(empty.ok());
  EXPECT_EQ(empty.u8(), 0) << "stays failed";
}

TEST(ForkRequest, ComesBackAndIsNeverHalf) {
  Fork fork;
  fork.serial = 7;
  fork.has_network = fork.privileged = true;
  fork.writable_bytes = 1ull << 33;
  fork.open_files = 99;
  fork.filter = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  Fork out;
  ASSERT_TRUE(round_trip(fork, out));
  EXPECT_EQ(out.serial, 7u);
  EXPECT_TRUE(out.has_network && out.privileged);
  EXPECT_FALSE(out.new_network || out.has_v2_cgroup);
  EXPECT_EQ(out.writable_bytes, 1ull << 33);
  ASSERT_EQ(out.filter.size(), 2u);
  EXPECT_EQ(out.filter[1].k, 8u);
  Writer writer;
  encode(writer, fork);
  const std::string bytes = writer.take();
  // A shorter one is refused, and so is one without a filter: no sandbox may be made of it.
  for (size_t size = 0; size < bytes.size(); ++size) {
    Reader reader(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(decode(reader, out)) << size;
  }
  fork.filter.clear();
  EXPECT_FALSE(round_trip(fork, out));
  Forked forked;
  ASSERT_TRUE(round_trip(Forked{9, -11}, forked));
  EXPECT_EQ(forked.serial, 9u);
  EXPECT_EQ(forked.pid, -11);
}

TEST(Protocol, MessagesComeBack) {
  Settings settings;
  settings.runtimes_directory = "/r";
  settings.network = Network::kHost;
  settings.detach_ttl_ms = 7;
  settings.subordinate_size = 4096;
  settings.zygotes.push_back({"python", {"/p", "--zygote"}, 3, 17});
  Settings settings_out;
  ASSERT_TRUE(round_trip(settings, settings_out));
  EXPECT_EQ(settings, settings_out);

  CreateRequest create;
  create.name = "n";
  create.argv = {"/a", "b c"};
  create.environment = {"K=V"};
  create.labels = {{"a", "b"}, {"a", "c"}};
  create.memory_bytes = 1ull << 40;
  create.cpu_quota_millis = 1500;
  create.zygote = "python";
  CreateRequest create_out;
  ASSERT_TRUE(round_trip(create, create_out));
  EXPECT_EQ(create_out.argv, create.argv);
  EXPECT_EQ(create_out.labels, create.labels);
  EXPECT_EQ(create_out.memory_bytes, create.memory_bytes);
  EXPECT_EQ(create_out.cpu_quota_millis, create.cpu_quota_millis);
  EXPECT_EQ(create_out.zygote, "python");

  ListReply list;
  list.sandboxes.push_back({7, "id", "name", "/s", {{"k", "v"}}, SandboxState::kPaused, 3, true});
  list.more = true;
  ListReply list_out;
  ASSERT_TRUE(round_trip(list, list_out));
  ASSERT_EQ(list_out.sandboxes.size(), 1u);
  EXPECT_EQ(list_out.sandboxes[0].serial, 7u);
  EXPECT_EQ(list_out.sandboxes[0].state, SandboxState::kPaused);
  EXPECT_TRUE(list_out.sandboxes[0].oom);
  EXPECT_TRUE(list_out.more);

  ReadLogsReply logs;
  logs.chunks = {{2, -5, "x\n"}};
  logs.next = {10, 3, false};
  logs.ended = true;
  ReadLogsReply logs_out;
  ASSERT_TRUE(round_trip(logs, logs_out));
  EXPECT_EQ(logs_out.chunks.at(0).bytes, "x\n");
  EXPECT_EQ(logs_out.next.offset, 10u);
  EXPECT_EQ(logs_out.next.skip, 3u);
  EXPECT_FALSE(logs_out.next.oldest);

  StatsReply stats;
  stats.created_cold = 9;
  stats.enforcement.detail = "why";
  StatsReply stats_out;
  ASSERT_TRUE(round_trip(stats, stats_out));
  EXPECT_EQ(stats_out.created_cold, 9u);
  EXPECT_EQ(stats_out.enforcement.detail, "why");
}

TEST(Protocol, EveryTruncationAndALongerTailAreRefused) {
  CreateRequest create;
  create.name = "name";
  create.argv = {"/a"};
  create.environment = {"K=V"};
  create.labels = {{"a", "b"}};
  Writer writer;
  encode(writer, create);
  const std::string bytes = writer.bytes();
  for (size_t n = 0; n < bytes.size(); ++n) {
    Reader reader(std::string_view(bytes).substr(0, n));
    CreateRequest out;
    EXPECT_FALSE(decode(reader, out)) << n;
  }
  const std::string longer = bytes + "x";
  Reader reader(longer);
  CreateRequest out;
  EXPECT_FALSE(decode(reader, out));
}

TEST(Protocol, TheGreetingIsReadableByEveryVersion) {
  // A later version may add to it.
  Writer writer;
  encode(writer, Hello{kProtocolMagic, 99});
  writer.text("something new");
  Reader reader(writer.bytes());
  Hello hello;
  ASSERT_TRUE(decode(reader, hello));
  EXPECT_EQ(hello.version, 99u);
  // Its first bytes are frozen: header, magic, version.
  const std::string bytes = packet(MessageType::kHello, 1, Hello{});
  EXPECT_EQ(bytes, std::string("\x01\0\0\0\x01\0\0\0\0\0\0\0\x31\x58\x53\x42\x03\0\0\0", 20));
}

TEST(Protocol, RepliesCarryStatusAndResult) {
  const std::string failed =
      reply(5, sdk::Status(sdk::StatusCode::kNotFound, "nothing", sdk::kUserError));
  Reader reader(failed);
  Header header;
  sdk::Status status;
  ASSERT_TRUE(decode_header(reader, header));
  EXPECT_EQ(header.type, MessageType::kReply);
  EXPECT_EQ(header.id, 5u);
  ASSERT_TRUE(decode_status(reader, status));
  EXPECT_EQ(status, sdk::Status(sdk::StatusCode::kNotFound, "nothing", sdk::kUserError));

  const std::string good = reply(6, CreateReply{"id"});
  Reader second(good);
  ASSERT_TRUE(decode_header(second, header));
  ASSERT_TRUE(decode_status(second, status));
  CreateReply created;
  ASSERT_TRUE(decode(second, created));
  EXPECT_EQ(created.id, "id");
}

}  // namespace
}  // namespace berth::process
