// SPDX-License-Identifier: Apache-2.0
// Where a server may listen, and what it says where it may not.
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>

#include "server_fixture.hpp"

namespace berth::http::testing {
namespace {

using ::testing::HasSubstr;

class ListenerTest : public ServerTest {
 protected:
  ListenerTest() { start(); }
  Status listen_tcp(const std::string& address) {
    Status status;
    loop_.run([&] { status = server_->listen_tcp(address); });
    return status;
  }
  Status listen_unix(const std::string& path) {
    Status status;
    loop_.run([&] { status = server_->listen_unix(path); });
    return status;
  }
  TemporaryDirectory directory_;
};

TEST_F(ListenerTest, APortInUseIsNamedWithTheMend) {
  const RawListener other;
  const std::string address = "127.0.0.1:" + std::to_string(other.port());
  const Status status = listen_tcp(address);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            address + " is in use by another process: stop it or set another [http] listen");
}

TEST_F(ListenerTest, BadAddressesAreRefused) {
  for (const char* address :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
        "::1:80", "[::1]", "[]:80", "a b:80", "http://h:80"}) {
    EXPECT_EQ(listen_tcp(address).code(), StatusCode::kInvalidArgument) << address;
  }
  // From the range kept for documentation.
  EXPECT_THAT(listen_tcp("192.0.2.1:0").message(), HasSubstr("no address of this machine"));
  EXPECT_THAT(listen_tcp("name.invalid:0").message(), HasSubstr("'name.invalid'"));
}

TEST_F(ListenerTest, NamesAndIPv6AreListenedOn) {
  EXPECT_TRUE(listen_tcp("localhost:0").ok());
  const UniqueFd probe(::socket(AF_INET6, SOCK_STREAM, 0));
  const Status status = listen_tcp("[::1]:0");
  if (!status.ok())
    EXPECT_THAT(status.message(), HasSubstr("[::1]:0")) << "this machine has no IPv6";
}

TEST_F(ListenerTest, AUnixSocketIsPrivateAndRemovedAtTheEnd) {
  const std::string path = directory_.path("s");
  ASSERT_TRUE(listen_unix(path).ok());
  struct stat info {};
  ASSERT_EQ(::lstat(path.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 07777u, 0600u);
  RawSocket client = RawSocket::connect_unix(path);
  ASSERT_TRUE(client.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_EQ(client.receive_message().body, "GET /a ");
  loop_.run([this] { server_->drain(); });
  EXPECT_NE(::lstat(path.c_str(), &info), 0);
}

TEST_F(ListenerTest, AStaleUnixSocketIsReplaced) {
  const std::string path = directory_.path("s");
  { const RawListener gone(path, 1); }
  struct stat info {};
  ASSERT_EQ(::lstat(path.c_str(), &info), 0);
  EXPECT_TRUE(listen_unix(path).ok());
  EXPECT_TRUE(RawSocket::connect_unix(path).is_open());
}

TEST_F(ListenerTest, AUnixSocketInUseIsLeftAlone) {
  const std::string path = directory_.path("s");
  RawListener other(path, 4);
  const Status status = listen_unix(path);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr(path + " is in use by another process"));
  EXPECT_TRUE(RawSocket::connect_unix(path).is_open());
}

TEST_F(ListenerTest, AFileOfThatNameIsLeftAlone) {
  const std::string path = directory_.path("s");
  std::ofstream(path) << "precious";
  EXPECT_THAT(listen_unix(path).message(), HasSubstr("is no socket"));
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ListenerTest, OnlyItsOwnUnixSocketIsRemoved) {
  const std::string path = directory_.path("s");
  ASSERT_TRUE(listen_unix(path).ok());
  std::filesystem::remove(path);
  const RawListener successor(path, 1);
  loop_.run([this] { server_->close(); });
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ListenerTest, TooLongPathsAreRefused) {
  const Status status = listen_unix(directory_.path(std::string(120, 'x')));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("at most 107"));
  EXPECT_EQ(listen_unix("").code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace berth::http::testing
