// SPDX-License-Identifier: Apache-2.0
// berth-sandboxer through its socket: life of a sandbox, limits, pause, logs, hand-over, clean-up.
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "harness.hpp"
#include "protocol/packet_socket.hpp"

namespace berth::process::test {
namespace fs = std::filesystem;

class SandboxerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BERTH_REQUIRE(is_root(), "needs root for cgroups and its own ids");
    sandboxer_.start();
    client_ = sandboxer_.connect();
    ASSERT_NE(client_, nullptr);
  }
  Probe probe(const std::string& name,
              const std::function<void(CreateRequest&)>& adjust = nullptr) {
    Probe p = create_probe(*client_, sandboxer_, name, adjust);
    EXPECT_TRUE(p.status.ok()) << p.status.to_string() << sandboxer_.log();
    return p;
  }
  sdk::Status simple(MessageType type, const std::string& id) {
    return client_->call(type, SandboxRequest{id}).status;
  }
  std::vector<std::string> cgroup_directories() const {
    std::vector<std::string> found;
    std::ifstream in(sandboxer_.data() + "/sandboxer.cgroups");
    std::string base;
    while (std::getline(in, base)) {
      if (!fs::exists(base)) continue;
      for (const auto& entry : fs::directory_iterator(base)) {
        if (entry.is_directory()) found.push_back(entry.path());
      }
    }
    return found;
  }

  Sandboxer sandboxer_;
  std::unique_ptr<Client> client_;
};

TEST_F(SandboxerTest, RunsAFunctionThatAnswersAtOnce) {
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "hello"), "hello");
  EXPECT_EQ(simple(MessageType::kDestroy, p.id).code(), sdk::StatusCode::kOk);
  EXPECT_FALSE(fs::exists(p.socket_path));
  EXPECT_EQ(simple(MessageType::kDestroy, p.id).code(), sdk::StatusCode::kNotFound);
  EXPECT_FALSE(client_->has_died_event()) << "a destroy is no death";
}

TEST_F(SandboxerTest, RefusesWhatCannotRun) {
  const auto no_program =
      create_probe(*client_, sandboxer_, "a", [](CreateRequest& r) { r.argv = {"/root/secret"}; });
  EXPECT_EQ(no_program.status.code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_NE(no_program.status.message().find("/root/secret"), std::string::npos);
  const auto relative =
      create_probe(*client_, sandboxer_, "b", [](CreateRequest& r) { r.argv = {"probe"}; });
  EXPECT_EQ(relative.status.code(), sdk::StatusCode::kInvalidArgument);
  const Probe first = probe("c");
  fs::remove(first.socket_path);
  EXPECT_EQ(create_probe(*client_, sandboxer_, "c").status.code(), sdk::StatusCode::kAlreadyExists);
  // The name is free again once the sandbox is gone.
  EXPECT_TRUE(simple(MessageType::kDestroy, first.id).ok());
  fs::remove(first.socket_path);
  probe("c");
}

TEST_F(SandboxerTest, ReportsExitCodesAndSignals) {
  const Probe exits = probe("a");
  ask(exits.socket_path, "exit/7");
  auto died = client_->wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->id, exits.id);
  EXPECT_EQ(died->exit_code, 7);
  EXPECT_FALSE(died->oom);
  const Probe crashes = probe("b");
  ask(crashes.socket_path, "raise/11");
  died = client_->wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_EQ(died->exit_code, 128 + SIGSEGV);
  // A dead sandbox stays until it is destroyed.
  const auto list = client_->call(MessageType::kList, ListRequest{}).as<ListReply>();
  ASSERT_EQ(list.sandboxes.size(), 2u);
  EXPECT_EQ(list.sandboxes[0].state, SandboxState::kDead);
  EXPECT_EQ(list.sandboxes[0].exit_code, 7);
  EXPECT_TRUE(simple(MessageType::kDestroy, exits.id).ok());
}

TEST_F(SandboxerTest, MemoryLimitKillsAndSaysSo) {
  const Probe p = probe("a", [](CreateRequest& r) { r.memory_bytes = 64 << 20; });
  ask(p.socket_path, "alloc/200");
  const auto died = client_->wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_TRUE(died->oom);
  EXPECT_EQ(died->exit_code, 128 + SIGKILL);
  EXPECT_NE(died->reason.find("67108864"), std::string::npos) << died->reason;
  EXPECT_EQ(read_output(*client_, p.id).err,
            "berth: the function was killed because it needed more than its 64 MB of memory, of "
            "which the files in /tmp are a part\n");
}

TEST_F(SandboxerTest, MemoryUsedByAChildEndsTheWholeSandbox) {
  const Probe p = probe("a", [](CreateRequest& r) { r.memory_bytes = 64 << 20; });
  ask(p.socket_path, "child-alloc/200");
  const auto died = client_->wait_died();
  ASSERT_NE(died, nullptr);
  EXPECT_TRUE(died->oom);
}

TEST_F(SandboxerTest, ProcessesAreLimited) {
  const Probe p = probe("a", [](CreateRequest& r) { r.pids = 20; });
  const std::string report = ask(p.socket_path, "forks/100");
  EXPECT_EQ(value_of(report, "error"), "EAGAIN");
  EXPECT_LT(std::stoi(value_of(report, "made")), 20);
  // Looked at once a second at most.
  std::string told;
  EXPECT_TRUE(eventually([&] { return !(told = read_output(*client_, p.id).err).empty(); }));
  EXPECT_EQ(told,
            "berth: 1 new processes or threads were refused (EAGAIN): a function may have 20 at a "
            "time\n");
  EXPECT_TRUE(simple(MessageType::kDestroy, p.id).ok());
}

TEST_F(SandboxerTest, WritableLayerIsLimited) {
  sandboxer_.settings.writable_bytes = 8 << 20;
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_.settings).status.ok());
  const Probe p = probe("a");
  const std::string report = ask(p.socket_path, "fill/64");
  EXPECT_EQ(value_of(report, "error"), "ENOSPC");
  EXPECT_LE(std::stoul(value_of(report, "written")), 8ul << 20);
}

TEST_F(SandboxerTest, PausesAndResumes) {
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "hello"), "hello");
  ASSERT_TRUE(simple(MessageType::kPause, p.id).ok());
  ASSERT_TRUE(simple(MessageType::kPause, p.id).ok()) << "twice is fine";
  auto list = client_->call(MessageType::kList, ListRequest{}).as<ListReply>();
  EXPECT_EQ(list.sandboxes.at(0).state, SandboxState::kPaused);
  ask(p.socket_path, "print/thawed", false);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(read_output(*client_, p.id).out, "") << "a frozen function must not run";
  ASSERT_TRUE(simple(MessageType::kResume, p.id).ok());
  EXPECT_TRUE(eventually([&] { return read_output(*client_, p.id).out == "thawed\n"; }));
}

TEST_F(SandboxerTest, DestroysAPausedSandbox) {
  const Probe p = probe("a");
  ASSERT_TRUE(simple(MessageType::kPause, p.id).ok());
  EXPECT_TRUE(simple(MessageType::kDestroy, p.id).ok());
}

TEST_F(SandboxerTest, KeepsBothStreamsInOrderAndReadsByCursor) {
  const Probe p = probe("a");
  // Two pipes have an order only as they are read: each is waited for.
  const auto seen = [&](const std::string& text) {
    return eventually([&] {
      const Output output = read_output(*client_, p.id);
      return (output.out + output.err).find(text) != std::string::npos;
    });
  };
  ask(p.socket_path, "print/one");
  EXPECT_TRUE(seen("one"));
  ask(p.socket_path, "warn/two");
  EXPECT_TRUE(seen("two"));
  ask(p.socket_path, "print/three");
  Output first = read_output(*client_, p.id);
  EXPECT_EQ(first.out, "one\nthree\n");
  EXPECT_EQ(first.err, "two\n");
  EXPECT_FALSE(first.ended);
  ask(p.socket_path, "print/four");
  EXPECT_EQ(read_output(*client_, p.id, first.next).out, "four\n");
  EXPECT_EQ(read_output(*client_, p.id).out, "one\nthree\nfour\n") << "from the oldest again";
  // A few bytes at a time, in the middle of a record too.
  std::string slowly;
  LogCursor cursor;
  for (int i = 0; i < 100; ++i) {
    const auto reply = client_->call(MessageType::kReadLogs, ReadLogsRequest{p.id, cursor, 3, 0})
                           .as<ReadLogsReply>();
    if (reply.chunks.empty()) break;
    for (const auto& c : reply.chunks) slowly += c.bytes;
    cursor = reply.next;
  }
  EXPECT_EQ(slowly, "one\ntwo\nthree\nfour\n");
}

TEST_F(SandboxerTest, AReaderWaitsForOutputItsDeadlineOrTheEnd) {
  const Probe p = probe("a");
  const auto in = [](int ms) {
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) +
           static_cast<uint64_t>(ms) * 1'000'000;
  };
  // The deadline: OK and empty.
  auto answer = client_->call(MessageType::kReadLogs, ReadLogsRequest{p.id, {}, 1000, in(30)});
  ASSERT_TRUE(answer.status.ok());
  EXPECT_TRUE(answer.as<ReadLogsReply>().chunks.empty());
  // Output.
  uint64_t waiting =
      client_->post(MessageType::kReadLogs, ReadLogsRequest{p.id, {}, 1000, in(60'000)});
  ask(p.socket_path, "print/x");
  auto reply = client_->wait(waiting).as<ReadLogsReply>();
  ASSERT_EQ(reply.chunks.size(), 1u);
  EXPECT_EQ(reply.chunks[0].bytes, "x\n");
  EXPECT_GT(reply.chunks[0].time_ns, 1'600'000'000'000'000'000);
  // Cancelling.
  waiting =
      client_->post(MessageType::kReadLogs, ReadLogsRequest{p.id, reply.next, 1000, in(60'000)});
  client_->call(MessageType::kCancel, CancelRequest{waiting});
  EXPECT_TRUE(client_->wait(waiting).as<ReadLogsReply>().chunks.empty());
  // The end.
  waiting =
      client_->post(MessageType::kReadLogs, ReadLogsRequest{p.id, reply.next, 1000, in(60'000)});
  ask(p.socket_path, "exit/0");
  EXPECT_TRUE(client_->wait(waiting).as<ReadLogsReply>().ended);
}

TEST_F(SandboxerTest, AFloodNeitherBlocksTheFunctionNorGrowsWithoutBound) {
  sandboxer_.settings.log_bytes = 1 << 20;
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_.settings).status.ok());
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "flood/16777216"), "flooded");
  ask(p.socket_path, "print/last");
  const Output output = read_output(*client_, p.id);
  EXPECT_LE(output.out.size(), (1u << 20) + 70'000);
  EXPECT_GT(output.out.size(), 1u << 19);
  EXPECT_EQ(output.out.substr(output.out.size() - 5), "last\n");
  EXPECT_NE(output.err.find("bytes of output were dropped here"), std::string::npos) << output.err;
  EXPECT_GT(client_->stats().log_bytes_dropped, 0u);
}

TEST_F(SandboxerTest, ListsInPages) {
  std::vector<Probe> probes;
  for (const char* name : {"a", "b", "c", "d", "e"}) probes.push_back(probe(name));
  std::vector<std::string> names;
  ListRequest request;
  request.limit = 2;
  for (bool more = true; more;) {
    const auto page = client_->call(MessageType::kList, request).as<ListReply>();
    for (const auto& s : page.sandboxes) {
      names.push_back(s.name);
      request.after = s.serial;
      EXPECT_EQ(s.labels, (Pairs{{"owner", s.name}}));
      EXPECT_EQ(s.socket_path, sandboxer_.runtime() + "/" + s.name + ".s");
    }
    more = page.more;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
}

TEST_F(SandboxerTest, SandboxesSurviveTheirClientAndAreHandedToTheNext) {
  const Probe p = probe("a");
  ask(p.socket_path, "print/before");
  const std::string ticks = ask(p.socket_path, "ticks");
  client_->close();
  EXPECT_NE(ask(p.socket_path, "ticks"), "") << "runs on alone";
  ask(p.socket_path, "print/alone");
  client_ = sandboxer_.connect();
  ASSERT_NE(client_, nullptr);
  const auto list = client_->call(MessageType::kList, ListRequest{}).as<ListReply>();
  ASSERT_EQ(list.sandboxes.size(), 1u);
  EXPECT_EQ(list.sandboxes[0].id, p.id);
  EXPECT_GE(std::stoul(ask(p.socket_path, "ticks")), std::stoul(ticks)) << "the same process";
  EXPECT_EQ(read_output(*client_, p.id).out, "before\nalone\n");
  ask(p.socket_path, "exit/3");
  const auto died = client_->wait_died();
  ASSERT_NE(died, nullptr) << "the new client gets the events";
  EXPECT_EQ(died->exit_code, 3);
}

TEST_F(SandboxerTest, WhatNobodyAdoptsIsRemovedAndThenItEnds) {
  sandboxer_.settings.detach_ttl_ms = 50;
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_.settings).status.ok());
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "hello"), "hello");
  client_->close();
  EXPECT_TRUE(eventually([&] { return !sandboxer_.running(); }));
  EXPECT_EQ(ask(p.socket_path, "hello"), "");
  EXPECT_FALSE(fs::exists(p.socket_path));
  EXPECT_FALSE(fs::exists(sandboxer_.socket_path()));
  EXPECT_TRUE(cgroup_directories().empty());
}

TEST_F(SandboxerTest, AnAdoptedSandboxOutlivesTheTimeOfTheUnadopted) {
  sandboxer_.settings.detach_ttl_ms = 300;
  ASSERT_TRUE(client_->call(MessageType::kConfigure, sandboxer_.settings).status.ok());
  const Probe p = probe("a");
  client_->close();
  client_ = sandboxer_.connect();
  client_->call(MessageType::kList, ListRequest{});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_EQ(ask(p.socket_path, "hello"), "hello");
}

TEST_F(SandboxerTest, DiesWithAllItsSandboxesAndTheNextCleansUp) {
  const Probe p = probe("a");
  EXPECT_EQ(ask(p.socket_path, "hello"), "hello");
  ASSERT_FALSE(cgroup_directories().empty());
  ::kill(sandboxer_.pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return ask(p.socket_path, "hello").empty(); }));
  EXPECT_TRUE(eventually([&] { return !sandboxer_.running(); }));
  EXPECT_FALSE(cgroup_directories().empty()) << "a kill -9 leaves them";
  sandboxer_.settings.prepared = 0;
  sandboxer_.start();
  EXPECT_TRUE(cgroup_directories().empty());
  client_ = sandboxer_.connect();
  ASSERT_NE(client_, nullptr);
  EXPECT_TRUE(client_->call(MessageType::kList, ListRequest{}).as<ListReply>().sandboxes.empty());
  probe("b");
}

TEST(SandboxerStart, WaitsForWhatADeadOneWasJustMaking) {
  BERTH_REQUIRE(is_root(), "needs root for cgroups and its own ids");
  Sandboxer sandboxer;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  // One that is killed while a fork of its own still has its lock and its socket, for half a
  // second.
  const pid_t dead = ::fork();
  if (dead == 0) {
    const int lock = ::open((sandboxer.data() + "/sandboxer.lock").c_str(), O_RDWR | O_CREAT, 0600);
    const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address;
    socklen_t length = 0;
    if (::flock(lock, LOCK_EX) != 0 || !unix_address(sandboxer.socket_path(), address, length) ||
        ::bind(listener, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
        ::listen(listener, 4) != 0) {
      ::_exit(1);
    }
    if (::fork() == 0) {
      ::close(ready[0]);
      ::close(ready[1]);
      ::usleep(500'000);
      ::_exit(0);
    }
    (void)!::write(ready[1], "r", 1);
    ::pause();
    ::_exit(0);
  }
  ::close(ready[1]);
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::kill(dead, SIGKILL);
  ::waitpid(dead, nullptr, 0);
  sandboxer.start();
  EXPECT_NE(sandboxer.connect(), nullptr);
}

TEST_F(SandboxerTest, OnlyOneServesADataDirectory) {
  std::string message;
  EXPECT_EQ(sandboxer_.try_start(message), 1);
  EXPECT_NE(message.find("another berth-sandboxer"), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(sandboxer_.pid())), std::string::npos) << message;
}

TEST_F(SandboxerTest, AForeignVersionIsToldSoAndMayOnlyStopIt) {
  auto stranger = sandboxer_.connect_plain();
  ASSERT_NE(stranger, nullptr);
  EXPECT_EQ(stranger->call(MessageType::kList, ListRequest{}).status.code(),
            sdk::StatusCode::kFailedPrecondition)
      << "without a greeting nothing works";
  Hello newer;
  newer.version = kProtocolVersion + 1;
  const auto answer = stranger->call(MessageType::kHello, newer);
  ASSERT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.as<HelloReply>().version, kProtocolVersion);
  const auto refused = stranger->call(MessageType::kList, ListRequest{}).status;
  EXPECT_EQ(refused.code(), sdk::StatusCode::kFailedPrecondition);
  const std::string spoken = "protocol version " + std::to_string(kProtocolVersion);
  EXPECT_NE(refused.message().find(spoken), std::string::npos) << refused.message();
  EXPECT_TRUE(stranger->call(MessageType::kShutdown, Shutdown{true}).status.ok());
  EXPECT_TRUE(eventually([&] { return !sandboxer_.running(); }));
}

TEST_F(SandboxerTest, AnotherUserIsRefused) {
  sandboxer_.quiet = false;
  ::chmod(sandboxer_.runtime().c_str(), 0755);
  ::chmod(sandboxer_.socket_path().c_str(), 0666);
  ASSERT_EQ(::seteuid(12345), 0);
  auto stranger = sandboxer_.connect_plain();
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_NE(stranger, nullptr);
  EXPECT_TRUE(stranger->wait_closed());
  EXPECT_EQ(sandboxer_.log(), "refused a client of another user\n");
  EXPECT_TRUE(client_->stats().enforcement.privileged) << "and goes on serving";
}

TEST_F(SandboxerTest, SocketAndFilesArePrivate) {
  struct stat info {};
  for (const auto& path : {sandboxer_.socket_path(), sandboxer_.data() + "/sandboxer.lock",
                           sandboxer_.data() + "/sandboxer.log"}) {
    ASSERT_EQ(::stat(path.c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << path;
  }
}

TEST_F(SandboxerTest, MalformedPacketsAreRefusedAndItGoesOn) {
  for (const std::string& bytes : {std::string("x"), std::string(12, '\0')}) {
    auto stranger = sandboxer_.connect_plain();
    ASSERT_NE(stranger, nullptr);
    stranger->send(bytes);
    EXPECT_TRUE(stranger->wait_closed());
  }
  auto stranger = sandboxer_.connect();
  Writer truncated;
  truncated.u32(static_cast<uint32_t>(MessageType::kCreate));
  truncated.u64(77);
  truncated.u32(0xffffffff);
  stranger->send(truncated.bytes());
  EXPECT_EQ(stranger->wait(77).status.code(), sdk::StatusCode::kInvalidArgument);
  stranger->send(packet(static_cast<MessageType>(999), 78));
  EXPECT_EQ(stranger->wait(78).status.code(), sdk::StatusCode::kUnimplemented);
  probe("a");
}

TEST_F(SandboxerTest, ManyLivesLeaveNothingBehind) {
  const auto count = [](const std::string& directory) {
    size_t n = 0;
    for ([[maybe_unused]] const auto& e : fs::directory_iterator(directory)) ++n;
    return n;
  };
  const std::string proc = "/proc/" + std::to_string(sandboxer_.pid());
  const auto mounts = [&] {
    std::ifstream in(proc + "/mountinfo");
    size_t lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    return lines;
  };
  const auto settled = [&] {
    return eventually([&] {
      const auto s = client_->stats();
      return s.removing == 0 && s.prepared == sandboxer_.settings.prepared;
    });
  };
  const auto children = [&] {
    std::ifstream in(proc + "/task/" + std::to_string(sandboxer_.pid()) + "/children");
    size_t n = 0;
    for (std::string pid; in >> pid;) ++n;
    return n;
  };
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(simple(MessageType::kDestroy, probe("w" + std::to_string(i)).id).ok());
  }
  ASSERT_TRUE(settled());
  // But for the pool of networks, which keeps as many as were in use at a time.
  const auto descriptors = [&] { return count(proc + "/fd") - client_->stats().pooled_networks; };
  const size_t fds = descriptors();
  const size_t mounted = mounts();
  const size_t groups = cgroup_directories().size();
  for (int i = 0; i < 200; ++i) {
    const Probe p = probe("p" + std::to_string(i));
    ASSERT_EQ(ask(p.socket_path, "hello"), "hello") << i;
    ASSERT_TRUE(simple(MessageType::kDestroy, p.id).ok());
  }
  ASSERT_TRUE(settled());
  EXPECT_EQ(descriptors(), fds);
  EXPECT_EQ(mounts(), mounted);
  EXPECT_EQ(cgroup_directories().size(), groups);
  EXPECT_EQ(children(), sandboxer_.settings.prepared);
  EXPECT_EQ(count(sandboxer_.runtime()), 1u) << "only the sandboxer's own socket";
}

TEST_F(SandboxerTest, ManyAtOnce) {
  std::vector<uint64_t> requests;
  std::vector<UniqueFd> sockets;
  constexpr int kCount = 40;
  for (int i = 0; i < kCount; ++i) {
    CreateRequest request;
    request.name = "m" + std::to_string(i);
    request.socket_path = sandboxer_.runtime() + "/" + request.name + ".s";
    request.argv = {"/berth/runtimes/probe/probe"};
    request.environment = {"BERTH_LISTEN_FD=3"};
    request.memory_bytes = 64 << 20;
    sockets.push_back(listen_at(request.socket_path));
    requests.push_back(client_->post(MessageType::kCreate, request, sockets.back().get()));
  }
  for (int i = 0; i < kCount; ++i) {
    const Answer answer = client_->wait(requests[static_cast<size_t>(i)]);
    ASSERT_TRUE(answer.status.ok()) << answer.status.to_string();
    EXPECT_EQ(ask(sandboxer_.runtime() + "/m" + std::to_string(i) + ".s", "hello"), "hello");
  }
  EXPECT_EQ(client_->stats().sandboxes, static_cast<uint32_t>(kCount));
}

}  // namespace berth::process::test
