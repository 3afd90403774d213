// SPDX-License-Identifier: Apache-2.0
// What the process plugin's integration tests share: temporary directories, a blocking client of
// berth-sandboxer's socket, and asking the probe function. Not thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

#include "protocol/packet_socket.hpp"
#include "protocol/protocol.hpp"

namespace berth::process::test {

inline constexpr std::chrono::seconds kPatience{60};

// Polls until `condition` or kPatience is over.
bool eventually(const std::function<bool()>& condition);

// A directory below /tmp with a short name, removed at the end.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  const std::string& path() const { return path_; }
  void give_to(uid_t uid, gid_t gid) const;

 private:
  std::string path_;
};

// The reply to one request.
struct Answer {
  sdk::Status status;
  std::string body;  // what follows the status

  template <typename Message>
  Message as() const {
    Reader reader(body);
    Message message;
    EXPECT_TRUE(decode(reader, message));
    return message;
  }
};

// One connection.
class Client {
 public:
  // Connects; `connected()` tells whether that worked.
  explicit Client(const std::string& socket_path);
  bool connected() const { return socket_.valid(); }
  int socket() const { return socket_.get(); }
  void close() { socket_.reset(); }

  template <typename Message>
  uint64_t post(MessageType type, const Message& message, int fd = -1) {
    const uint64_t id = next_id_++;
    send(packet(type, id, message), fd);
    return id;
  }
  Answer wait(uint64_t id);
  template <typename Message>
  Answer call(MessageType type, const Message& message, int fd = -1) {
    return wait(post(type, message, fd));
  }
  StatsReply stats();
  // The next died event, or nothing when kPatience is over.
  std::unique_ptr<Died> wait_died();
  bool has_died_event() const { return !died_.empty(); }
  void send(const std::string& bytes, int fd = -1);
  // True once the other side has closed.
  bool wait_closed();

 private:
  bool receive(std::chrono::milliseconds timeout);

  UniqueFd socket_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Answer> answers_;
  std::deque<Died> died_;
  bool closed_ = false;
};

// A berth-sandboxer of its own directories, ended with the object.
class Sandboxer {
 public:
  // As `uid` (and the same gid) if it is not 0.
  explicit Sandboxer(uid_t uid = 0);
  ~Sandboxer();

  // Starts the program; expects it to work.
  void start();
  // The exit code of the starting process and what it said.
  int try_start(std::string& message);
  std::unique_ptr<Client> connect();        // greeted and configured
  std::unique_ptr<Client> connect_plain();  // nothing said yet
  pid_t pid() const;
  bool running() const;
  std::string log() const;
  std::string data() const { return directory_.path() + "/d"; }
  std::string runtime() const { return directory_.path() + "/r"; }
  std::string runtimes() const { return directory_.path() + "/f"; }
  std::string socket_path() const { return runtime() + "/sandboxer.sock"; }

  Settings settings;
  bool quiet = true;  // expects an empty log at the end

 private:
  TempDirectory directory_;
  uid_t uid_;
};

// A function's listening socket at `path`.
UniqueFd listen_at(const std::string& path);

// A sandbox with the probe in it.
struct Probe {
  std::string id;
  std::string socket_path;
  sdk::Status status;
};
Probe create_probe(Client& client, Sandboxer& sandboxer, const std::string& name,
                   const std::function<void(CreateRequest&)>& adjust = nullptr);

// The answer's body to one command; empty if the connection broke. `wait` false: sends only.
std::string ask(const std::string& socket_path, const std::string& command, bool wait = true);
// One line "key=value" or "key:\tvalue" of a report.
std::string value_of(const std::string& report, const std::string& key);

// All the output from the oldest on, read until it ends or nothing comes for now.
struct Output {
  std::string out;
  std::string err;
  bool ended = false;
  LogCursor next;
};
Output read_output(Client& client, const std::string& id, LogCursor from = {});

bool is_root();

}  // namespace berth::process::test

// Skips (or, with BERTH_REQUIRE_ALL=1, fails) a test that needs what `condition` says.
#define BERTH_REQUIRE(condition, reason)                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      if (const char* all = std::getenv("BERTH_REQUIRE_ALL"); all != nullptr && *all == '1') { \
        FAIL() << reason;                                                                      \
      }                                                                                        \
      GTEST_SKIP() << reason;                                                                  \
    }                                                                                          \
  } while (false)
