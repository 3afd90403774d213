// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "factory/config.hpp"
#include "factory/listen_sockets.hpp"
#include "factory/log_lines.hpp"
#include "protocol/packet_socket.hpp"

namespace berth::process {
namespace {

Config parsed(const std::string& json) {
  Config config;
  const auto status = Config::parse(json, "/nonexistent/bin", config);
  EXPECT_TRUE(status.ok()) << status.to_string();
  return config;
}

std::string refusal(const std::string& json) {
  Config config;
  const auto status = Config::parse(json, "/nonexistent/bin", config);
  EXPECT_EQ(status.code(), sdk::StatusCode::kInvalidArgument) << json;
  return status.message();
}

TEST(ProcessConfig, DefaultsKnowOurImagesAndApaches) {
  const Config config = parsed("{}");
  EXPECT_EQ(config.settings.network, Network::kNone);
  EXPECT_EQ(config.settings.detach_ttl_ms, 60'000u);
  const auto runtime_of = [&](std::string_view image) {
    std::string runtime;
    return config.command_of(image, runtime) == nullptr ? "-" : runtime;
  };
  EXPECT_EQ(runtime_of("berth/action-python"), "python");
  EXPECT_EQ(runtime_of("berth/action-python:latest"), "python");
  EXPECT_EQ(runtime_of("berth/action-nodejs@sha256:0123"), "nodejs");
  EXPECT_EQ(runtime_of("openwhisk/action-nodejs-v20:nightly"), "nodejs");
  EXPECT_EQ(runtime_of("openwhisk/dockerskeleton"), "native");
  EXPECT_EQ(runtime_of("localhost:5000/berth/action-native:1"), "native");
  EXPECT_EQ(runtime_of("docker.io/openwhisk/action-python-v3.11:1.2"), "python");
  EXPECT_EQ(runtime_of("evil/berth/action-python"), "-") << "evil is no registry";
  EXPECT_EQ(runtime_of("busybox"), "-");
  EXPECT_EQ(runtime_of(""), "-");
  std::string runtime;
  EXPECT_EQ(*config.command_of("berth/action-python", runtime),
            (std::vector<std::string>{"/usr/bin/python3", "-I", "-S", "-X", "utf8",
                                      "/berth/runtimes/python/proxy.py"}));
}

TEST(ProcessConfig, ReadsEveryKey) {
  const Config config = parsed(R"({
    "sandboxer": "/x/berth-sandboxer", "runtimes_directory": "/x/runtimes",
    "socket_directory": "/x/s", "network": "host", "detach_ttl": "5m", "writable_bytes": "64MB",
    "writable_inodes": 100, "log_bytes": 1048576, "open_files": 64, "pids": 7, "prepared": 0,
    "prepared_sockets": 3, "pooled_networks": 2,
    "subordinate_ids": {"start": 200000, "count": 100000, "size": 1100},
    "interpreters": {"python": "/opt/py"},
    "images": {"me/mine": "special"}, "commands": {"special": ["{runtime}/go", "-x"]}})");
  EXPECT_EQ(config.sandboxer, "/x/berth-sandboxer");
  EXPECT_EQ(config.socket_directory, "/x/s");
  EXPECT_EQ(config.prepared_sockets, 3u);
  const Settings& s = config.settings;
  EXPECT_EQ(s.runtimes_directory, "/x/runtimes");
  EXPECT_EQ(s.network, Network::kHost);
  EXPECT_EQ(s.detach_ttl_ms, 300'000u);
  EXPECT_EQ(s.writable_bytes, 64ull << 20);
  EXPECT_EQ(s.writable_inodes, 100u);
  EXPECT_EQ(s.log_bytes, 1ull << 20);
  EXPECT_EQ(s.open_files, 64u);
  EXPECT_EQ(s.default_pids, 7u);
  EXPECT_EQ(s.prepared, 0u);
  EXPECT_EQ(s.pooled_networks, 2u);
  EXPECT_EQ(s.subordinate_start, 200'000u);
  EXPECT_EQ(s.subordinate_count, 100'000u);
  EXPECT_EQ(s.subordinate_size, 1'100u);
  std::string runtime;
  EXPECT_EQ(config.command_of("berth/action-python", runtime)->at(0), "/opt/py");
  EXPECT_EQ(*config.command_of("me/mine:2", runtime),
            (std::vector<std::string>{"/berth/runtimes/special/go", "-x"}));
  EXPECT_EQ(parsed(R"({"detach_ttl": 90})").settings.detach_ttl_ms, 90'000u);
  EXPECT_EQ(parsed(R"({"detach_ttl": "250ms"})").settings.detach_ttl_ms, 250u);
}

TEST(ProcessConfig, PythonHasAZygoteUnlessItsCommandIsAnothers) {
  const Config config = parsed("{}");
  ASSERT_EQ(config.settings.zygotes.size(), 1u);
  EXPECT_EQ(config.zygote_runtime, "python");
  const auto& argv = config.settings.zygotes[0].argv;
  EXPECT_EQ(argv[5], "/berth/runtimes/python/proxy.py");
  EXPECT_EQ(argv[6], "--zygote");
  EXPECT_NE(std::find(argv.begin(), argv.end(), "urllib.request"), argv.end());
  EXPECT_TRUE(parsed(R"({"zygote": {"enabled": false}})").settings.zygotes.empty());
  const char* own = R"({"commands": {"python": ["/usr/bin/my"]}})";
  EXPECT_TRUE(parsed(own).settings.zygotes.empty());
  EXPECT_EQ(parsed(own).zygote_runtime, "");
  const auto mine =
      parsed(R"({"zygote": {"modules": ["numpy", "a.b"], "prepared": 5, "renew_after": 9},)"
             R"( "interpreters": {"python": "/opt/py"}})");
  ASSERT_EQ(mine.settings.zygotes.size(), 1u);
  EXPECT_EQ(
      mine.settings.zygotes[0].argv,
      (std::vector<std::string>{"/opt/py", "-I", "-S", "-X", "utf8",
                                "/berth/runtimes/python/proxy.py", "--zygote", "numpy", "a.b"}));
  EXPECT_EQ(mine.settings.zygotes[0].prepared, 5u);
  EXPECT_EQ(mine.settings.zygotes[0].renew_after, 9u);
  EXPECT_NE(refusal(R"({"zygote": {"modules": [1]}})").find("zygote.modules"), std::string::npos);
  EXPECT_NE(refusal(R"({"zygote": {"renew_after": 0}})").find("renew_after"), std::string::npos);
}

TEST(ProcessConfig, ReadsTheNetworksTable) {
  const Config config = parsed(R"({"network": "nat", "nat": {"subnet": "10.50.0.0/20",
    "allow": ["10.1.0.0/16", "10.2.3.4:5432"], "deny": ["0.0.0.0/0"], "dns": ["9.9.9.9"],
    "bandwidth": "100mbit", "enable_forwarding": true}})");
  const Settings& s = config.settings;
  EXPECT_EQ(s.network, Network::kNat);
  EXPECT_EQ(text_of(s.nat.subnet), "10.50.0.0/20");
  ASSERT_EQ(s.nat.allow.size(), 2u);
  EXPECT_EQ(text_of(s.nat.allow[0].to), "10.1.0.0/16");
  EXPECT_EQ(s.nat.allow[0].port, 0);
  EXPECT_EQ(text_of(s.nat.allow[1].to), "10.2.3.4/32");
  EXPECT_EQ(s.nat.allow[1].port, 5432);
  ASSERT_EQ(s.nat.deny.size(), 1u);
  EXPECT_EQ(s.nat.dns, std::vector<uint32_t>{0x09090909});
  EXPECT_EQ(s.nat.bandwidth, 12'500'000u);
  EXPECT_TRUE(s.nat.enable_forwarding);
}

TEST(ProcessConfig, ARefusalNamesTheKey) {
  EXPECT_NE(refusal("[]").find("plugin.process"), std::string::npos);
  EXPECT_NE(refusal("{").find("plugin.process"), std::string::npos);
  for (const auto& [json, key] : std::vector<std::pair<std::string, std::string>>{
           {R"({"network": "bridge"})", "network"},
           {R"({"detach_ttl": "soon"})", "detach_ttl"},
           {R"({"detach_ttl": -1})", "detach_ttl"},
           {R"({"writable_bytes": "1 parsec"})", "writable_bytes"},
           {R"({"nat": 1})", "nat"},
           {R"({"nat": {"subnet": "10.0.0.1/16"}})", "nat.subnet"},
           {R"({"nat": {"subnet": "10.0.0.0/30"}})", "nat.subnet"},
           {R"({"nat": {"allow": ["10.0.0.0/8", "example.org"]}})", "example.org"},
           {R"({"nat": {"deny": "10.0.0.0/8"}})", "nat.deny"},
           {R"({"nat": {"allow": ["10.0.0.0/8:0"]}})", "nat.allow"},
           {R"({"nat": {"dns": ["8.8.8.8:53"]}})", "nat.dns"},
           {R"({"nat": {"bandwidth": "100MB"}})", "nat.bandwidth"},
           {R"({"nat": {"enable_forwarding": 1}})", "nat.enable_forwarding"},
           {R"({"pids": 0})", "pids"},
           {R"({"prepared": 1001})", "prepared"},
           {R"({"sandboxer": 1})", "sandboxer"},
           {R"({"images": {"a:1": "x"}})", "images"},
           {R"({"images": {"a": "../x"}})", "images"},
           {R"({"commands": {"x": []}})", "commands.x"},
           {R"({"commands": {"x": ["python3"]}})", "absolute path"},
           {R"({"subordinate_ids": {"start": 0}})", "subordinate_ids"}}) {
    EXPECT_NE(refusal(json).find(key), std::string::npos) << json << refusal(json);
  }
}

TEST(ProcessConfig, TheSchemaIsJson) {
  boost::system::error_code error;
  const auto schema = boost::json::parse(BERTH_PROCESS_SCHEMA, error);
  ASSERT_FALSE(error) << error.message();
  EXPECT_FALSE(schema.at("additionalProperties").as_bool());
  EXPECT_TRUE(schema.at("properties").as_object().contains("runtimes_directory"));
}

TEST(LogLines, ChunksBecomeLinesHoweverTheyAreCut) {
  const std::string text = "one\n\ntwo\nthree";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    sdk::LogBatch batch;
    add_lines({1, 5, text.substr(0, cut)}, batch);
    add_lines({1, 6, text.substr(cut)}, batch);
    EXPECT_EQ(batch.bytes(), std::string("onetwothree").size()) << cut;
    EXPECT_GE(batch.size(), 4u);
    EXPECT_LE(batch.size(), 5u);
  }
}

TEST(LogLines, CursorsComeBack) {
  LogCursor cursor;
  ASSERT_TRUE(parse_cursor("", cursor));
  EXPECT_TRUE(cursor.oldest);
  EXPECT_EQ(cursor_text(cursor), "");
  ASSERT_TRUE(parse_cursor("18446744073709551615.7", cursor));
  EXPECT_EQ(cursor_text(cursor), "18446744073709551615.7");
  for (const char* bad : {".", "1", "1.", ".1", "1.2x", "-1.0", "1.-2", "99999999999999999999.0"}) {
    EXPECT_FALSE(parse_cursor(bad, cursor)) << bad;
  }
}

class SocketsTest : public ::testing::Test {
 protected:
  SocketsTest() {
    std::string name = "/tmp/lsXXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~SocketsTest() override { std::filesystem::remove_all(path_); }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }
  std::string path_;
};

TEST_F(SocketsTest, AreMadeAheadListenAndCleanUp) {
  {
    ListenSockets sockets;
    ASSERT_TRUE(sockets.open(path_, 3).ok());
    EXPECT_EQ(files(), 0u);
    sockets.refill();
    EXPECT_EQ(files(), 3u);
    ListenSocket taken;
    std::vector<ListenSocket> all(5);
    for (auto& socket : all) ASSERT_TRUE(sockets.take(socket).ok()) << "beyond the prepared too";
    EXPECT_NE(all[0].path, all[4].path);
    int listening = 0;
    socklen_t size = sizeof(listening);
    ASSERT_EQ(::getsockopt(all[4].fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
    EXPECT_EQ(listening, 1);
    struct stat info {};
    ASSERT_EQ(::stat(all[4].path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    sockets.refill();
    EXPECT_EQ(files(), 8u);
  }
  EXPECT_EQ(files(), 5u) << "the unused ones are gone, the taken ones are not ours any more";
  ListenSockets next;
  ASSERT_TRUE(next.open(path_, 1).ok());
  next.refill();
  next.remove_stale();
  EXPECT_EQ(files(), 1u) << "an earlier life's are removed, this life's stay";
}

TEST_F(SocketsTest, ADirectoryOthersCanWriteToIsRefused) {
  ::chmod(path_.c_str(), 0777);
  ListenSockets sockets;
  EXPECT_EQ(sockets.open(path_, 0).code(), sdk::StatusCode::kFailedPrecondition);
}

TEST_F(SocketsTest, ATooLongPathIsRefusedOrReplaced) {
  const std::string directory = "/tmp/" + std::string(100, 'x');
  ListenSockets sockets;
  const auto status = sockets.open(directory, 0);
  EXPECT_EQ(status.code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("socket_directory"), std::string::npos);
  EXPECT_EQ(short_directory(path_), path_);
  EXPECT_LT(short_directory(directory).size(), 60u);
  EXPECT_EQ(short_directory(directory), short_directory(directory));
  EXPECT_NE(short_directory(directory), short_directory(directory + "y"));
}

}  // namespace
}  // namespace berth::process
